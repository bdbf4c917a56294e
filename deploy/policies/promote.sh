#!/bin/sh
# Offers to everybody the bundle that the canaries have.
#
#   promote.sh DIGEST CHANNELS
#
# DIGEST    of the policies that were watched: nothing else is promoted, whatever was released since
# CHANNELS  folder that the server of bundles serves
set -eu
digest=$1 channels=$2

made=$channels/.promoted
cp "$channels/canary.bundle" "$made"
offered=$(consentry bundle inspect "$made" | sed -n 's/^policies //p')
if [ "$offered" != "$digest" ]; then
    rm "$made"
    echo "promote: the canaries have $offered by now" >&2
    exit 1
fi
mv "$made" "$channels/stable.bundle"
echo "all are offered $digest"
