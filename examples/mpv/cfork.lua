-- A key that makes new sound for the film that plays, and plays it: Alt+c.
--
-- Copy this file into ~/.config/mpv/scripts/. Settings stand in ~/.config/mpv/script-opts/cfork.conf, such as:
--   program=/home/me/.venv/bin/cfork
--   options=--dialog +9 --music -12
--   key=Alt+v
--
-- The film is never written: the new sound comes beside it (movie.eng.cfork.mka), or, where that folder cannot be
-- written, nothing happens and the reason is shown. A second press while the sound is made stops it.

local mp = require "mp"
local utils = require "mp.utils"

local options = { program = "cfork", options = "--preset clear-speech", key = "Alt+c" }
require("mp.options").read_options(options, "cfork")

local work = nil -- the command that runs
local timer = nil

local function show(text, seconds)
    mp.osd_message("cfork: " .. text, seconds or 4)
    mp.msg.info(text)
end

local function words(text)
    local found = {}
    for word in text:gmatch("%S+") do
        found[#found + 1] = word
    end
    return found
end

-- The path of the film that plays, on this machine's disk; nil for streams.
local function film()
    local path = mp.get_property("path")
    if path == nil or path:find("^%a[%w+.-]*://") then
        return nil
    end
    return utils.join_path(mp.get_property("working-directory", ""), path)
end

-- Ask the command that runs to end; mpv itself would kill it, and what it has begun to write would stay.
local function stop()
    local file = io.open(work.log .. ".pid", "r")
    local pid = file and file:read("*n")
    if file ~= nil then
        file:close()
    end
    if pid ~= nil then
        mp.command_native({ name = "subprocess", args = { "kill", tostring(math.floor(pid)) }, playback_only = false })
    end
end

-- The last line that cfork has written about where it is, as a share of the film; nil before there is one.
local function progress(path)
    local file = io.open(path, "r")
    if file == nil then
        return nil
    end
    local share = nil
    for line in file:lines() do
        local event = utils.parse_json(line)
        if type(event) == "table" and event.event == "progress" and type(event.total) == "number" and event.total > 0 then
            share = event.done / event.total
        end
    end
    file:close()
    return share
end

-- Play a sound file beside the film; one that was loaded before is read anew.
local function play(path)
    for _, track in ipairs(mp.get_property_native("track-list", {})) do
        if track.type == "audio" and track["external-filename"] == path then
            mp.commandv("audio-remove", track.id)
        end
    end
    mp.commandv("audio-add", path, "select")
end

local function finished(path, log, success, result)
    work = nil
    if timer ~= nil then
        timer:kill()
        timer = nil
    end
    os.remove(log)
    os.remove(log .. ".pid")
    if not success or result == nil or result.killed_by_us or result.status >= 128 then
        return show("stopped")
    end
    local told = utils.parse_json(result.stdout or "")
    if result.status ~= 0 then
        local why = type(told) == "table" and told.error or nil
        return show(why or ("'" .. options.program .. "' does not start: is it installed?"), 8)
    end
    if film() ~= path then
        return show("the new sound is ready, for a film that does not play any more")
    end
    for _, track in ipairs(told.tracks or {}) do
        play(track.output)
    end
    show("new sound")
end

local function begin()
    local path = film()
    if path == nil then
        return show("what plays is no file on this machine")
    end
    if work ~= nil then
        return stop()
    end
    -- mpv hands over standard error only at the end, so a file tells how far it is
    local log = os.tmpname()
    local command = { "sh", "-c", 'log=$1; shift; echo $$ >"$log.pid"; exec "$@" 2>"$log"', "cfork", log, options.program, "remix", path,
        "--sidecar", "--force", "--json" }
    for _, word in ipairs(words(options.options)) do
        command[#command + 1] = word
    end
    show("making new sound ...")
    work = { log = log }
    mp.command_native_async(
        { name = "subprocess", args = command, playback_only = false, capture_stdout = true },
        function(success, result) finished(path, log, success, result) end
    )
    timer = mp.add_periodic_timer(1, function()
        local share = progress(log)
        if share ~= nil then
            show(string.format("making new sound, %d %%", math.floor(share * 100)), 2)
        end
    end)
end

mp.add_key_binding(options.key, "remix", begin)
mp.register_event("shutdown", function()
    if work ~= nil then
        stop()
    end
end)
