#!/usr/bin/env bash
# bench: unpacks the headers of a Boost with Boost.Redis (Debian trixie's) into build/boost_redis/, for the peer of that
# name. Opt-in; uses apt with a configuration of its own: nothing is installed, the machine's apt state stays as it is.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
say() { printf 'fetch_boost_redis: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}
# shellcheck source=../tools/packages.sh
. "$root/tools/packages.sh"

package=libboost1.88-dev
folder=$root/build/boost_redis
apt=$folder/apt

if [[ -f $folder/usr/include/boost/redis.hpp ]]; then
    say "already there"
    exit 0
fi
for program in apt-get dpkg awk; do command -v "$program" >/dev/null || fail "needs $program (Debian)"; done

# The suite comes from where this machine gets its own Debian, with the same key.
read -r uri entry < <(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI) $(SOURCESENTRY)' \
    'Created-By: Packages' | awk '$1 !~ /-/ && $2 == "main" {print $3, $4; exit}') || fail "no apt source of Debian found"
key=$(signed_by "${entry%:*}" "${uri%/}")

mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/sources"
{
    echo 'Types: deb'
    echo "URIs: $uri"
    echo 'Suites: trixie'
    echo 'Components: main'
    [[ -z $key ]] || echo "Signed-By:$key"
} >"$apt/sources/trixie.sources"

options=(-q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$apt/sources" -o "Dir::State=$apt/state"
    -o "Dir::State::status=/dev/null" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root
    -o APT::Get::List-Cleanup=false)
run_apt() {
    apt-get "${options[@]}" "$@" >"$apt/apt.log" 2>&1 || {
        tail -n 20 "$apt/apt.log" >&2
        fail "apt-get $1 failed"
    }
}
run_apt update
(cd "$apt" && run_apt download "$package")
for file in "$apt/$package"_*.deb; do dpkg -x "$file" "$folder"; done
rm -rf "$apt" "$root/build/release/configured"  # so that ./dev bench finds it
[[ -f $folder/usr/include/boost/redis.hpp ]] || fail "$package has no Boost.Redis"

# Its reads are of 4 KiB, which no setting of this version changes. Beside it, the same with 64 KiB: a stronger peer.
header=boost/redis/connection.hpp
mkdir -p "$folder/wide/boost/redis"
sed 's/get_suggested_buffer_growth(4096)/get_suggested_buffer_growth(65536)/' "$folder/usr/include/$header" >"$folder/wide/$header"
cmp -s "$folder/usr/include/$header" "$folder/wide/$header" && rm -r "$folder/wide" && say "reads could not be widened"
say "Boost $(sed -n 's/^#define BOOST_LIB_VERSION "\(.*\)"/\1/p' "$folder/usr/include/boost/version.hpp") in build/boost_redis"
