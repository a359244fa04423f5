#!/bin/sh
# release/deb.sh FOLDER: the Debian package of what is committed, with the wheel that is in FOLDER, built by Debian's own
# tools into FOLDER. For the Debian on which it is built: its wheels are for that Python and that machine.
set -eu
umask 022
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
command -v dpkg-buildpackage dh >/dev/null || {
    echo "apt install build-essential debhelper python3-pip python3-setuptools python3-wheel" >&2; exit 69; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/trio-voice/dist"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
git archive HEAD | tar -x -C "$scratch/trio-voice"
cp "$out"/trio_voice-*.whl "$scratch/trio-voice/dist"
if ! (cd "$scratch/trio-voice" && dpkg-buildpackage --build=binary --no-sign >"$scratch/log" 2>&1); then
    tail -n 40 "$scratch/log" >&2
    exit 1
fi
rm -f "$out"/trio-voice_*.deb
mv "$scratch"/trio-voice_*.deb "$out"
(cd "$out" && sha256sum trio-voice_*.deb)
