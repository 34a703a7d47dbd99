#!/bin/sh
# Puts the official JSON Schema test suite for draft 2020-12 into FOLDER/json-schema-suite and prints that path.
# The suite travels in the source distribution of the Python package `jsonschema`; it is not kept in this repository.
# Running it again does nothing once the suite is there.
#
#   export PUSHGATE_JSON_SCHEMA_SUITE="$(Tests/Support/fetch_json_schema_suite.sh .build)"
#   swift test --filter JSONSchemaTests
set -eu

version=4.26.0
folder=${1:?usage: fetch_json_schema_suite.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
suite=$folder/json-schema-suite
stamp=$suite/version

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$version" ]; then
    echo "$suite"
    exit 0
fi

work=$(mktemp -d "$folder/json-schema-suite.XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
    --dest "$work" "jsonschema==$version" >&2
tar -xzf "$work/jsonschema-$version.tar.gz" -C "$work" \
    "jsonschema-$version/json/tests/draft2020-12" "jsonschema-$version/json/remotes"
rm -rf "$suite"
mv "$work/jsonschema-$version/json/tests/draft2020-12" "$suite"
mv "$work/jsonschema-$version/json/remotes" "$suite/remotes"
echo "$version" > "$stamp"
echo "$suite"
