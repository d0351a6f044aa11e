#!/bin/sh
# Remix a library every night: what is new or has changed is done, all else is left alone.
#
#     nightly.sh LIBRARY OUT
#
# In crontab, with a mail only when a film failed:  0 3 * * * /path/to/nightly.sh /films /louder
set -u
library=$1 out=$2
mkdir -p "$out"
exec 9>"$out/.nightly.lock"
flock -n 9 || exit 0 # last night's run is still at work

cfork remix "$library" --recursive --dialog +6 --music -6 --accept-damaged -o "$out" --json \
    >"$out/.nightly.json" 2>/dev/null
code=$?
[ "$code" -eq 0 ] && exit 0
python3 - "$out/.nightly.json" <<'END'
import json, sys

report = json.load(open(sys.argv[1]))
for film in report.get("films", []):
    if film["status"] == "failed":
        print(f"{film['input']}: {film['reason']}")
print(report.get("error", ""), end="")
END
exit "$code"
