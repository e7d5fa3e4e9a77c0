#!/bin/sh
# Makes a certificate and puts it in place as Kubernetes does with a mounted Secret: a new directory with
# the files, then the link ..data swapped by a rename.
#   certificate.sh DEMO_DIRECTORY SECRET_NAME rsa|ecdsa HOST...
# The demo authority is made when there is none.
set -eu
umask 077
directory=$1
name=$2
kind=$3
shift 3
authority=$directory/authority
secret=$directory/secrets/$name

if [ ! -f "$authority/ca.crt" ]; then
    mkdir -p "$authority"
    openssl ecparam -name prime256v1 -genkey -noout -out "$authority/ca.key"
    openssl req -x509 -new -key "$authority/ca.key" -sha256 -days 3650 \
        -subj '/O=gatehouse demo/CN=gatehouse demo authority' \
        -addext 'keyUsage=critical,keyCertSign,cRLSign' -out "$authority/ca.crt" 2>/dev/null
    chmod 644 "$authority/ca.crt"
fi

generation=$(mktemp -d "$directory/new.XXXXXX")
if [ "$kind" = rsa ]; then
    openssl genrsa -out "$generation/tls.key" 2048 2>/dev/null
else
    openssl ecparam -name prime256v1 -genkey -noout -out "$generation/tls.key"
fi
names=$(printf ',DNS:%s' "$@")
{
    printf 'basicConstraints=critical,CA:FALSE\n'
    printf 'keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n'
    printf 'subjectAltName=%s\n' "${names#,}"
} >"$generation/extensions"
openssl req -new -key "$generation/tls.key" -subj "/CN=$1" -out "$generation/request" 2>/dev/null
openssl x509 -req -in "$generation/request" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" \
    -set_serial "0x$(openssl rand -hex 12)" -sha256 -days 90 -extfile "$generation/extensions" \
    -out "$generation/tls.crt" 2>/dev/null
rm "$generation/request" "$generation/extensions"

mkdir -p "$secret"
former=$(readlink "$secret/..data" 2>/dev/null || true)
current=..$(date +%Y_%m_%d_%H_%M_%S).$$
mv "$generation" "$secret/$current"
ln -s "$current" "$secret/..data_tmp"
mv -T "$secret/..data_tmp" "$secret/..data"
for file in tls.crt tls.key; do
    [ -L "$secret/$file" ] || ln -s "..data/$file" "$secret/$file"
done
if [ -n "$former" ]; then
    rm -rf "${secret:?}/$former"
fi
