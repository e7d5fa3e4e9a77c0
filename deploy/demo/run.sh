#!/bin/bash
# The demo: an authority and two certificates, an origin, and gatehouse with the examples, as a plain
# user on high ports. Prints curl lines to paste. Ctrl-C drains.
#
#   DEMO_CHECK=1          run the curl lines, check what they answer, and end
#   DEMO_HTTPS_PORT=8443 DEMO_HTTP_PORT=8080 DEMO_ADMIN_PORT=15000 DEMO_HEALTH_PORT=15021
#   DEMO_METRICS_PORT=15090 DEMO_ORIGIN_PORT=19080 DEMO_ORIGIN2_PORT=19081 DEMO_VAULT_PORT=18201
#                         other ports; 0 lets the kernel pick (the default with DEMO_CHECK)
#   DEMO_DIR=build/demo   where certificates, configuration and logs go
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${GATEHOUSE_BIN:-$root/build/release/gatehouse}
examples=${DEMO_EXAMPLES:-$root/config/examples}
directory=${DEMO_DIR:-$root/build/demo}

[ -x "$binary" ] || { echo "$binary is not built; run make first" >&2; exit 1; }

# Root has nothing to gain here: go on as nobody, from a directory nobody can read.
if [ "$(id -u)" = 0 ]; then
    directory=$(mktemp -d /tmp/gatehouse-demo.XXXXXX)
    mkdir "$directory/files" "$directory/examples"
    cp "$here"/*.sh "$here"/*.py "$binary" "$directory/files/"
    cp "$examples"/*.yaml "$directory/examples/"
    chown -R 65534:65534 "$directory"
    cd "$directory"
    GATEHOUSE_BIN=$directory/files/gatehouse DEMO_EXAMPLES=$directory/examples \
        DEMO_DIR=$directory HOME=$directory DEMO_REMOVE=$directory \
        exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$directory/files/run.sh"
fi

if [ -n "${DEMO_CHECK:-}" ]; then default=0; else default=; fi
https_port=${DEMO_HTTPS_PORT:-${default:-8443}}
http_port=${DEMO_HTTP_PORT:-${default:-8080}}
admin_port=${DEMO_ADMIN_PORT:-${default:-15000}}
health_port=${DEMO_HEALTH_PORT:-${default:-15021}}
metrics_port=${DEMO_METRICS_PORT:-${default:-15090}}
origin_port=${DEMO_ORIGIN_PORT:-${default:-19080}}
origin2_port=${DEMO_ORIGIN2_PORT:-${default:-19081}}
vault_port=${DEMO_VAULT_PORT:-${default:-18201}}

gateway=
origin=
end() {
    status=$?
    trap - EXIT INT TERM
    [ -z "$gateway" ] || { kill -TERM "$gateway" 2>/dev/null && wait "$gateway"; } || status=$?
    [ -z "$origin" ] || { kill "$origin" 2>/dev/null && wait "$origin" 2>/dev/null; } || true
    # Only what this script made: the directory of a run as root, left in /tmp.
    case "${DEMO_REMOVE:-}" in /tmp/gatehouse-demo.*) rm -rf "$DEMO_REMOVE" ;; esac
    exit "$status"
}
trap end EXIT

mkdir -p "$directory"
rm -rf "$directory/config" "$directory/secrets" "$directory/ready" "$directory/ports"
mkdir "$directory/config"
"$here/certificate.sh" "$directory" bookinfo-example-com-cert rsa bookinfo.example.com
"$here/certificate.sh" "$directory" shop-example-com-cert ecdsa \
    shop.example.com '*.shop.example.com'
# Behind the passthrough server: an authority and a key that the gateway never sees.
"$here/certificate.sh" "$directory/vault" vault ecdsa eu.vault.example.com

wait_for() {
    tries=0
    while [ ! -s "$1" ]; do
        tries=$((tries + 1))
        if ! kill -0 "$2" 2>/dev/null || [ "$tries" -ge 300 ]; then
            echo "$3 did not start" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# In sessions of their own: Ctrl-C reaches this script only, which then asks the gateway to drain.
setsid /usr/bin/python3 "$here/origin.py" "$directory/ports" \
    "v1=$origin_port" "v2=$origin2_port" "vault=$vault_port,$directory/vault/secrets/vault" &
origin=$!
wait_for "$directory/ports" "$origin" "the demo origin"
origin_port=$(sed -n 's/^v1 //p' "$directory/ports")
origin2_port=$(sed -n 's/^v2 //p' "$directory/ports")
vault_port=$(sed -n 's/^vault //p' "$directory/ports")
# Those that need no more than HTTP origins and this one of TLS.
for name in bookinfo bookinfo-routes shop shop-routes passthrough; do
    sed "s/http: 19080\$/http: $origin_port/; s/http: 19081\$/http: $origin2_port/
        s/tls: 18201\$/tls: $vault_port/" "$examples/$name.yaml" >"$directory/config/$name.yaml"
done

access_log=-
[ -z "${DEMO_CHECK:-}" ] || access_log=$directory/access.log
setsid "$binary" run --config "$directory/config" --secrets "$directory/secrets" \
    --labels istio=ingressgateway --port-map "443=$https_port,80=$http_port" \
    --admin "127.0.0.1:$admin_port" --health "127.0.0.1:$health_port" \
    --metrics "127.0.0.1:$metrics_port" --access-log "$access_log" \
    --ready-file "$directory/ready" &
gateway=$!
wait_for "$directory/ready" "$gateway" "gatehouse"

port_of() { awk -v name="$1" '$1 == name { print $3 }' "$directory/ready"; }
https_port=$(port_of 443/HTTPS)
http_port=$(port_of 80/HTTP)
admin_port=$(port_of admin)
ca=$directory/authority/ca.crt

# curl for HOST on our ports, without any DNS.
line() {
    printf "curl -s -o /dev/null -w '%%{http_code}\\\\n' --cacert %s --resolve '%s:%s:127.0.0.1' '%s'" \
        "$ca" "$2" "$3" "$1"
}
books=$(line "https://bookinfo.example.com:$https_port/productpage" bookinfo.example.com "$https_port")
cart=$(line "https://shop.example.com:$https_port/cart" shop.example.com "$https_port")
split=$(line "https://shop.example.com:$https_port/catalogue/shoes" shop.example.com "$https_port")
tenant=$(line "https://blue.shop.example.com:$https_port/" blue.shop.example.com "$https_port")
redirect=$(line "http://shop.example.com:$http_port/cart" shop.example.com "$http_port")
vault=$(line "https://eu.vault.example.com:$https_port/" eu.vault.example.com "$https_port")
vault=${vault/$ca/$directory/vault/authority/ca.crt}
http2=${books/\%\{http_code\}/%\{http_code\} HTTP/%\{http_version\}}
missing=$(line "https://shop.example.com:$https_port/nowhere" shop.example.com "$https_port")

if [ -n "${DEMO_CHECK:-}" ]; then
    failed=0
    check() {
        answer=$(eval "$2")
        if [ "$answer" = "$1" ]; then
            echo "$1: $2"
        else
            echo "got $answer, not $1: $2" >&2
            failed=1
        fi
    }
    check 200 "$books"
    check 200 "$cart"
    check 200 "$split"
    check 200 "$tenant"
    check '200 HTTP/2' "$http2"
    check 200 "$vault"
    check 301 "$redirect"
    check 404 "$missing"
    "$here/renew.sh" "$directory" "$https_port" || failed=1
    check 200 "$books"
    exit "$failed"
fi

cat <<TEXT

gatehouse serves. Listeners:
$(sed 's/^/    /' "$directory/ready")

Paste into another terminal. 200, chosen by SNI, Host and path:
$books
$cart
200, split nine to one between two versions (leave out -o /dev/null to see which):
$split
200, by a wildcard host:
$tenant
200, by HTTP/2 (--http1.1 asks for the other):
$http2
200, passed through: the certificate is the origin's own, of another authority, beside the others on one port:
$vault
301, from HTTP to HTTPS:
$redirect
404, no route:
$missing
A new certificate for bookinfo.example.com, swapped in as Kubernetes does:
$here/renew.sh $directory $https_port
What is served, found and expiring:
curl -s http://127.0.0.1:$admin_port/certs
curl -s http://127.0.0.1:$admin_port/api/v1/findings
Edit the files in $directory/config: changes are live within a second.

Ctrl-C drains and ends.
TEXT

# Each signal is passed on once: a second Ctrl-C ends the drain at once.
trap 'kill -TERM "$gateway" 2>/dev/null' INT TERM
while kill -0 "$gateway" 2>/dev/null; do
    wait "$gateway" && status=0 || status=$?
done
gateway=
exit "${status:-0}"
