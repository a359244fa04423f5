#!/bin/sh
# release/dist.sh PYTHON FOLDER: the sdist, and the wheel that is made from it, byte for byte the same wherever and
# whenever they are built. Of what is committed and nothing else; where there is no git, of the folder as it stands.
# PYTHON has hatchling. Times in the archives are the commit's, or SOURCE_DATE_EPOCH.
set -eu
umask 022
python=$1
out=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/tree" "$scratch/built"
if [ -e .git ]; then
    export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
    git archive HEAD | tar -x -C "$scratch/tree"
else
    : "${SOURCE_DATE_EPOCH:?without git it says the time that stands in the archives}"
    export SOURCE_DATE_EPOCH
    cp -R . "$scratch/tree"
fi

(cd "$scratch/tree" && "$python" -m hatchling build -t sdist -d "$scratch/built" >/dev/null)
tar -xzf "$scratch"/built/*.tar.gz -C "$scratch"
(cd "$scratch"/trio_voice-* && "$python" -m hatchling build -t wheel -d "$scratch/built" >/dev/null)
rm -f "$out"/trio_voice-*.tar.gz "$out"/trio_voice-*.whl
mv "$scratch"/built/* "$out"
(cd "$out" && sha256sum trio_voice-*)
