"""`cfork dnr`: import free training audio, build scenes from sources, look at what was built."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cfork_cli.commands.options import DryRun, Json, Quiet, Split
from cfork_cli.commands.whole_help import WholeHelp
from cfork_cli.console.console import Console

dnr = typer.Typer(
    name="dnr",
    cls=WholeHelp,
    help="Scenes as in Divide and Remaster: import sources, build, measure.",
    no_args_is_help=True,
)


class SplitBy(StrEnum):
    """Ways to keep files together when they are divided into training, validation and test."""

    folder = "folder"
    prefix = "prefix"
    file = "file"
    none = "none"


class Recipe(StrEnum):
    """Recipes of scenes."""

    dnr = "dnr"
    film = "film"
    film_hard = "film-hard"


def _folder(help: str) -> object:
    return typer.Option(metavar="DIR", help=help, show_default=False)


Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Processes. [default: one per CPU]", show_default=False)
]


@dnr.command(short_help="Build scenes whose stems are known.")
def build(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the set; gets tr, cv and tt.", show_default=False)
    ],
    packs: Annotated[Path | None, _folder("Sources: packs of 'cfork dnr sources'.")] = None,
    speech: Annotated[Path | None, _folder("Sources: a folder of speech ...")] = None,
    music: Annotated[Path | None, _folder("... one of music ...")] = None,
    effects: Annotated[Path | None, _folder("... one of effects ...")] = None,
    background: Annotated[
        Path | None, _folder("... and one of ambiences. [default: effects of 4 seconds and more]")
    ] = None,
    published: Annotated[
        Path | None,
        _folder("Sources: the folder of librispeech, librivox, fma-medium and fsd50k, of which DnR is made."),
    ] = None,
    annots: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Make the scenes of these annots.csv again (a file, or all in a folder) instead of drawing new ones.",
            show_default=False,
        ),
    ] = None,
    scenes: Annotated[
        str | None,
        typer.Option(
            metavar="N|tr=N,cv=N,tt=N", help="How many: of --split, or of each split. [default: 20]", show_default=False
        ),
    ] = None,
    split: Annotated[Split | None, typer.Option(help="Split to build. [default: tt]", show_default=False)] = None,
    split_by: Annotated[
        SplitBy,
        typer.Option(
            help="Files that stay together when folders are divided into splits: those of one subfolder, those whose "
            "names begin alike, each by itself; none: every split has all. Subfolders named train, validation and "
            "test are taken as they are."
        ),
    ] = SplitBy.folder,
    recipe: Annotated[
        Recipe,
        typer.Option(
            help="dnr: as published. film: half a minute of stereo, dense, the voice in the middle and 12 dB under to "
            "6 dB over the rest, as scene.json says. film-hard: the same scenes, each with one thing more: a far or "
            "a shouted voice, a crowd, music that ducks, a swell, compression."
        ),
    ] = Recipe.dnr,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed, other scenes.")] = 0,
    workers: Workers = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw statistics of the scenes; see 'cfork dnr stats'.", show_default=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Start over: remove the scenes that are there already.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Build scenes of speech, music and effects by the published recipe of Divide and Remaster (DnR), or as in films.

    Every scene is a folder with mix.wav, music.wav, speech.wav, sfx.wav and annots.csv: 60 seconds, mono, 44.1 kHz,
    float. A scene appears when it is complete; after an interruption the same command makes the rest.

    Example: cfork dnr build dnr --speech voices --music songs --effects noises --scenes tr=200,cv=20,tt=20
    """
    from cfork_cli.training import scenes as dataset

    with Console(quiet=quiet, as_json=as_json) as console:
        folders = {"speech": speech, "music": music, "sfx": effects, "background": background}
        job = dataset.BuildJob(
            out=out,
            packs=packs,
            folders={kind: path for kind, path in folders.items() if path is not None},
            published=published,
            annots=annots,
            scenes=scenes,
            split=split.value if split else None,
            split_by=split_by.value,
            seed=seed,
            recipe=recipe.value,
            workers=workers,
            picture=picture,
            force=force,
            dry_run=dry_run,
        )
        dataset.build(job, console)


@dnr.command(short_help="Statistics of a set of scenes, as a table and a picture.")
def stats(
    tree: Annotated[
        Path, typer.Argument(metavar="TREE", help="A set (folder of tr, cv, tt) or a split of it.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Draw a picture: .png, .svg or .pdf.", show_default=False),
    ] = None,
    workers: Workers = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the picture if it exists already.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show how many events a set of scenes has, how they overlap, how loud and how hard to separate they are.

    Example: cfork dnr stats dnr/tt -o tt.png
    """
    from cfork_cli.training import scenes as dataset

    with Console(quiet=quiet, as_json=as_json) as console:
        dataset.stats(tree, output, workers, force, console)


@dnr.command(short_help="Build scenes that are hard in one known way.")
def cases(
    packs: Annotated[Path, typer.Argument(metavar="PACKS", help="Packs of 'cfork dnr sources'.", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the cases.", show_default=False)],
    split: Annotated[Split, typer.Option(help="Split whose sources are used.")] = Split.tt,
    scenes: Annotated[int, typer.Option(metavar="N", min=1, help="Scenes of each case.")] = 6,
    seconds: Annotated[float, typer.Option(metavar="S", help="Length of a scene.")] = 12.0,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed, other scenes.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Build scenes of telephone voices, languages, whispers, distance, singing, loud ambience, or one class alone.

    Each is OUT/CASE/ID with mix.wav, music.wav, speech.wav and sfx.wav; OUT/cases.json lists what was drawn. Whispers
    and singing are simulated. 'cfork evaluate OUT' scores every case by itself.

    Example: cfork dnr cases packs cases
    """
    from cfork_cli.training import cases

    with Console(quiet=quiet, as_json=as_json) as console:
        cases.build(packs, out, split.value, scenes, seconds, seed, console)


@dnr.command(short_help="Import the free training audio.")
def sources(
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="Folder of the packs.", show_default=False)] = None,
    debs: Annotated[
        Path | None, _folder("Folder of the Debian packages, filled as needed. [default: OUT/debs]")
    ] = None,
    speech: Annotated[
        Path | None, _folder("Folder of more speech: with an index.csv, or with clones of the public repositories.")
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="CFORK_DEBIAN_MIRROR",
            help="Archive to download from, the folder that holds 'pool'. [default: ask apt-get]",
            show_default=False,
        ),
    ] = None,
    package: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this package; give it again for another.", show_default=False),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Only list packages, sizes and licenses.")] = False,
    workers: Workers = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the packs in OUT.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Import speech, music and effects under free licenses: download, verify, decode, trim, divide into splits.

    The list of Debian packages and their checksums is part of cfork. Interrupted downloads are resumed;
    the packs, and a manifest of every file with its license, appear when they are complete.

    Example: cfork dnr sources packs --debs debs --mirror https://deb.debian.org/debian
    """
    from cfork_cli.training import sources

    with Console(quiet=quiet, as_json=as_json) as console:
        job = sources.ImportJob(
            out=out,
            debs=debs,
            speech=speech,
            mirror=mirror,
            packages=tuple(package or ()),
            workers=workers,
            force=force,
        )
        if listing:
            sources.show_list(job, console)
        else:
            sources.import_sources(job, console, dry_run=dry_run)
