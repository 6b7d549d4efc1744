#!/usr/bin/env bash
# A private PostgreSQL and a private pgbouncer on loopback, in a folder of their own.
#
# Usage: postgres.sh start FOLDER     prints `export NAME=VALUE` lines for a shell to evaluate
#        postgres.sh stop FOLDER
#        postgres.sh with COMMAND...  runs a command while the servers run, in a folder that is removed
#
# GEPA_TEST_POSTGRES is the URL of the server, GEPA_TEST_PGBOUNCER the one through the pooler in
# transaction mode. Needs the packages `postgresql` and `pgbouncer` of Debian or Ubuntu, which .ci/run
# installs.
set -euo pipefail

# Like a server in production, each commit is written to disk; GEPA_TEST_FSYNC=off is for scratch runs.
fsync=${GEPA_TEST_FSYNC:-on}

fail() { echo "$*" >&2; exit 1; }

programs() {
    local folder
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/postgres" ] && { echo "$folder"; return; }
    done
    fail "PostgreSQL is not installed: apt-get install postgresql pgbouncer"
}

# PostgreSQL and pgbouncer refuse to run as root, so root runs them as another user.
as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
    local folder=$1 bin pooler port pool_port
    bin=$(programs)
    pooler=$(command -v pgbouncer || echo /usr/sbin/pgbouncer)
    [ -x "$pooler" ] || fail "pgbouncer is not installed: apt-get install pgbouncer"
    mkdir -p "$folder"
    [ "$(id -u)" -ne 0 ] || chown postgres:postgres "$folder"
    chmod 755 "$folder"
    port=$(free_port)
    pool_port=$(free_port)
    as_user "$bin/initdb" -D "$folder/data" -U gepa --auth=trust --encoding=UTF8 --locale=C >"$folder/initdb.log"
    as_user "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/postgres.log" \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300 -c fsync=$fsync" \
        start >"$folder/start.log"
    as_user "$bin/createdb" -h 127.0.0.1 -p "$port" -U gepa gepa
    cat >"$folder/pgbouncer.ini" <<INI
[databases]
gepa = host=127.0.0.1 port=$port dbname=gepa user=gepa
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pool_port
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = 40
logfile = $folder/pgbouncer.log
pidfile = $folder/pgbouncer.pid
INI
    as_user "$pooler" -q -d "$folder/pgbouncer.ini"
    echo "export GEPA_TEST_POSTGRES=postgres://gepa@127.0.0.1:$port/gepa"
    echo "export GEPA_TEST_PGBOUNCER=postgres://gepa@127.0.0.1:$pool_port/gepa"
}

stop() {
    local folder=$1
    if [ -f "$folder/pgbouncer.pid" ]; then
        kill "$(cat "$folder/pgbouncer.pid")" 2>/dev/null || true
    fi
    as_user "$(programs)/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
}

case ${1:-} in
    start) start "$2" ;;
    stop) stop "$2" ;;
    with)
        shift
        folder=$(mktemp -d)
        trap 'stop "$folder"; rm -rf "$folder"' EXIT
        eval "$(start "$folder")"
        "$@"
        ;;
    *) fail "usage: postgres.sh start FOLDER | stop FOLDER | with COMMAND..." ;;
esac
