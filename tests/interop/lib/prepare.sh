# What every driver needs before it starts. Sourced by the `run` scripts.
# A driver that cannot run here exits with 77 and says why on its last line.

interop=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

skip() {
    echo "$*"
    exit 77
}

command -v node >/dev/null || skip "Node.js 20 or newer is not installed"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "Node.js is older than 20"
command -v npm >/dev/null || skip "npm is not installed"

# The lock file is newer than what npm noted about the last installation: install again.
if [ "$interop/package-lock.json" -nt "$interop/node_modules/.package-lock.json" ]; then
    npm ci --prefix "$interop" --silent --no-audit --no-fund >&2 || skip "the npm packages could not be installed"
    touch "$interop/node_modules/.package-lock.json"
fi
