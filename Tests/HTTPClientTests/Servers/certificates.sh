#!/bin/sh
# Makes in the folder $1: a CA (ca.pem), and certificates with keys for localhost that are good, of another host, expired, and
# signed by themselves only.
set -e
cd "$1"
new() { openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null; }
sign() {
    printf 'subjectAltName=%s\n' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -out "$1.pem" -extfile "$1.ext" -days "$3" 2>/dev/null
}
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=TestCA \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>/dev/null
new good && sign good DNS:localhost,IP:127.0.0.1 2
new other && sign other DNS:other.example 2
new expired && sign expired DNS:localhost,IP:127.0.0.1 -1
openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.pem -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
