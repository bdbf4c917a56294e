#!/bin/sh
# Builds the bundle of the commit that is checked out, signs it, and offers it to the canaries.
#
#   release.sh POLICIES KEYS CHANNELS
#
# POLICIES  folder of the policies, in git and without changes of its own
# KEYS      folder of the key that signs
# CHANNELS  folder that the server of bundles serves
set -eu
policies=$1 keys=$2 channels=$3

if [ -n "$(git status --porcelain -- "$policies")" ]; then
    echo "release: $policies has changes that are in no commit" >&2
    exit 1
fi
consentry test "$policies"
# The number of commits only rises, and the commit's time is the same for whoever builds.
serial=$(git rev-list --count HEAD)
created=$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
made=$channels/.release-$serial
consentry bundle build "$policies" -o "$made" --serial "$serial" --created-at "$created"
consentry bundle sign "$made" --keys "$keys"
consentry bundle verify "$made" --keys "$keys/jwks.json"
mv "$made" "$channels/canary.bundle"  # in one step: a reader finds the old one or the new one
echo "canaries are offered serial $serial"
