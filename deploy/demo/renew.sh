#!/bin/sh
# Renews the demo certificate of bookinfo.example.com under the running gateway, and shows the serial
# number served before and after.
#   renew.sh DEMO_DIRECTORY HTTPS_PORT
set -eu
directory=$1
port=$2
here=$(dirname "$0")

served_serial() {
    openssl s_client -connect "127.0.0.1:$port" -servername bookinfo.example.com </dev/null \
        2>/dev/null | openssl x509 -noout -serial
}

before=$(served_serial)
echo "served before: $before"
"$here/certificate.sh" "$directory" bookinfo-example-com-cert rsa bookinfo.example.com
tries=0
while after=$(served_serial) && [ "$after" = "$before" ]; do
    tries=$((tries + 1))
    if [ "$tries" -ge 50 ]; then
        echo "still served:  $after" >&2
        exit 1
    fi
    sleep 0.1
done
echo "served after:  $after"
