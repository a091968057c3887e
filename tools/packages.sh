# shellcheck shell=bash disable=SC2016
# Sourced by ./dev: what each command needs from Debian, and how what is missing gets installed.
# It never removes or replaces a package and leaves no service running; needs `root`, `say` and `fail` of ./dev.

: "${root:?is set by ./dev}"
readonly backports_file=/etc/apt/sources.list.d/redoubt-backports.sources
readonly policy_file=/usr/sbin/policy-rc.d

is_debian_12() {
    # shellcheck source=/dev/null
    [[ -r /etc/os-release ]] && (. /etc/os-release && [[ ${ID-} == debian && ${VERSION_ID-} == 12 ]])
}

# Debian allows one Boost -dev version at a time: an installed one that is new enough is the one to complete.
boost_version() {
    local newest
    newest=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' 'libboost1.*-dev' 2>/dev/null |
        sed -n 's/^libboost\(1\.[0-9]*\)-dev installed$/\1/p' | sort -V | tail -n 1) || true
    [[ -n $newest ]] && dpkg --compare-versions "$newest" ge 1.81 && echo "$newest" || echo 1.81
}

# The packages of a need.
packages_of() {
    local boost
    case $1 in
        build)
            boost=$(boost_version)
            echo "g++ cmake ninja-build ccache libboost$boost-dev libboost-url$boost-dev libboost-json$boost-dev" \
                libssl-dev libfmt-dev libspdlog-dev libcli11-dev prometheus-cpp-dev opentelemetry-cpp-dev libabsl-dev
            ;;
        any-server) command -v valkey-server >/dev/null || echo redis-server ;;
        test) echo libgtest-dev libprotobuf-dev redis-server redis-tools valkey-server valkey-tools prometheus curl ;;
        page) echo nodejs npm ;;
        browser) echo chromium ;;
        bench) echo libhiredis-dev libbenchmark-dev valgrind ;;
        clang) echo clang-14 libclang-rt-14-dev ;;
        lint) echo clang-format-14 clang-tidy-14 ;;
        *) fail "unknown need: $1" ;;
    esac
}

# The program of a package, where having the program is enough; nothing for libraries.
program_of() {
    case $1 in
        g++ | cmake | ccache | curl | prometheus | redis-server | valkey-server | clang-format-14 | clang-tidy-14 | valgrind) echo "$1" ;;
        npm | chromium) echo "$1" ;;
        nodejs) echo node ;;
        clang-14) echo clang++-14 ;;
        ninja-build) echo ninja ;;
        redis-tools) echo redis-cli ;;
        valkey-tools) echo valkey-cli ;;
    esac
}

# Prints, one a line, those of the packages that are neither installed nor there as a program from elsewhere.
missing_of() {
    local package program installed
    installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p') || true
    for package in "$@"; do
        grep -qxF -- "$package" <<<"$installed" && continue
        program=$(program_of "$package")
        [[ -n $program ]] && command -v "$program" >/dev/null && continue
        echo "$package"
    done
}

# need NAME...: afterwards everything of these needs is there.
need() {
    local name wanted='' missing
    local -a packages
    for name in "$@"; do wanted+=" $(packages_of "$name")" || exit; done
    read -r -a packages <<<"$wanted"
    if ! is_debian_12; then
        need_programs "${packages[@]}"
        return
    fi
    missing=$(missing_of "${packages[@]}")
    [[ -n $missing ]] || return 0
    mapfile -t packages <<<"$missing"
    install_packages "${packages[@]}"
}

# want NAME...: as `need`, where it is possible; what is not to be had is said, and done without.
want() {
    local name
    for name in "$@"; do
        (need "$name") || say "WITHOUT $name ($(packages_of "$name")): what needs it is left out"
    done
}

# Elsewhere than on Debian 12 package names differ: check the programs, and leave the libraries to CMake.
need_programs() {
    local package program
    local -a absent=()
    for package in "$@"; do
        program=$(program_of "$package")
        [[ -z $program || $program == ccache ]] || command -v "$program" >/dev/null || absent+=("$program")
    done
    ((${#absent[@]} == 0)) || fail "this is not Debian 12, so nothing is installed here; missing programs: ${absent[*]}
(libraries needed: Boost 1.81 or newer with url and json, OpenSSL 3, fmt, spdlog, CLI11, prometheus-cpp; for tests
GoogleTest; where they are found also OpenTelemetry C++ 1.19 or newer, and Protobuf for its tests)"
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# apt-get, told to ask nothing and to wait for another apt; its output goes to a log that is shown when it fails.
apt_root() {
    mkdir -p "$root/build"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@" >"$root/build/packages.log" 2>&1 || {
        tail -n 25 "$root/build/packages.log" >&2
        fail "apt-get $1 failed"
    }
}

install_packages() {
    local plan upgrades
    ((EUID == 0)) || command -v sudo >/dev/null ||
        fail "missing packages, and neither root nor sudo to install them. As root: apt-get install --no-install-recommends $*"
    say "missing from Debian: $*"
    apt_root update
    add_backports_if_needed "$@"
    plan=$(LC_ALL=C apt-get install --simulate -y --no-install-recommends "$@" 2>&1) ||
        fail "apt cannot install $*:"$'\n'"$(tail -n 12 <<<"$plan")"
    refuse_removals "$plan" "$@"
    upgrades=$(sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' <<<"$plan" | tr '\n' ' ')
    say "installing $(grep -c '^Inst ' <<<"$plan") packages (those and what they depend on)${upgrades:+; newer versions of: $upgrades}"
    hold_new_services "$@"
    apt_root install -y --no-install-recommends --no-remove "$@"
    release_services
    disable_new_services "$@"
}

# Installing must not cost the user anything: what apt would remove is named, and nothing is done.
refuse_removals() {
    local removed
    removed=$(sed -n 's/^Remv \([^ ]*\) .*/\1/p' <<<"$1" | tr '\n' ' ')
    shift
    [[ -z $removed ]] || fail "in the way: ${removed% }
Debian does not allow these beside what Redoubt needs ($*), and ./dev never removes a package.
If nothing of yours needs them: apt-get remove ${removed% }
Otherwise run ./dev in a container or another machine."
}

# --- bookworm-backports --------------------------------------------------------------------------------------

has_candidate() { [[ -n $(apt-cache madison "$1" 2>/dev/null) ]]; }

add_backports_if_needed() {
    local package needed=
    for package in "$@"; do has_candidate "$package" || needed+=" $package"; done
    [[ -n $needed ]] || return 0
    if apt-get indextargets --format '$(RELEASE) $(CODENAME)' 'Created-By: Packages' | grep -qw bookworm-backports; then
        fail "no package source of this machine has:$needed (bookworm-backports is configured)"
    fi
    add_backports
    say "added the suite bookworm-backports in $backports_file (for$needed)"
    apt_root update
}

# The suite comes from where this machine gets bookworm itself, with the same key.
add_backports() {
    local uri entry key
    read -r uri entry < <(apt-get indextargets --format '$(RELEASE) $(CODENAME) $(COMPONENT) $(REPO_URI) $(SOURCESENTRY)' \
        'Created-By: Packages' | awk '($1 == "bookworm" || $2 == "bookworm") && $3 == "main" {print $4, $5; exit}') ||
        fail "no apt source for Debian bookworm main found, so bookworm-backports cannot be added"
    key=$(signed_by "${entry%:*}" "${uri%/}")
    {
        echo "# Added by Redoubt's ./dev for packages that bookworm itself does not have. Safe to remove."
        echo "Types: deb"
        echo "URIs: $uri"
        echo "Suites: bookworm-backports"
        echo "Components: main"
        [[ -z $key ]] || echo "Signed-By:$key"
    } | as_root tee "$backports_file" >/dev/null
    as_root chmod 644 "$backports_file"
}

# The key that a sources file (either format) names for a URI, ready to follow "Signed-By:"; empty when it names none.
signed_by() {
    case $1 in
        *.sources)
            awk -v uri="$2" '
                function flush() { if (found && key != "") { print key; done = 1; exit } found = 0; key = ""; field = "" }
                /^[ \t]*$/ { flush(); next }
                /^#/ { next }
                /^[^ \t]/ { field = tolower($0); sub(/:.*/, "", field) }
                field == "uris" && index($0, uri) { found = 1 }
                field == "signed-by" { line = $0; sub(/^[Ss]igned-[Bb]y:/, "", line); key = key (key == "" ? "" : "\n") line }
                END { if (!done) flush() }' "$1"
            ;;
        *) awk -v uri="$2" '/^deb / && index($0, uri) && match($0, /signed-by=[^] ]+/) {
               print " " substr($0, RSTART + 10, RLENGTH - 10); exit }' "$1" ;;
    esac
}

# --- services ------------------------------------------------------------------------------------------------
# redis-server, valkey-server and prometheus come with a service. Redoubt wants the programs only, so those services that
# were not there before are neither started nor left enabled.

new_services() {
    local package
    for package in "$@"; do case $package in prometheus | redis-server | valkey-server) echo "$package" ;; esac done
}

hold_new_services() {
    local services
    services=$(new_services "$@")
    [[ -n $services && ! -e $policy_file ]] || return 0
    as_root tee "$policy_file" >/dev/null <<END
#!/bin/sh
# Written by Redoubt's ./dev for the time of one installation; safe to remove.
case "\$*" in *${services//$'\n'/* | *}*) exit 101 ;; esac
exit 0
END
    as_root chmod 755 "$policy_file"
    trap release_services EXIT
}

release_services() {
    if grep -qs "Redoubt's ./dev" "$policy_file"; then as_root rm -f "$policy_file"; fi
}

disable_new_services() {
    local service
    [[ -d /run/systemd/system ]] && command -v systemctl >/dev/null || return 0
    for service in $(new_services "$@"); do
        as_root systemctl disable --now --quiet "$service.service" >>"$root/build/packages.log" 2>&1 ||
            fail "could not disable the new service $service (see build/packages.log)"
        say "the service $service that came with its package is stopped and disabled; Redoubt starts servers of its own"
    done
}
