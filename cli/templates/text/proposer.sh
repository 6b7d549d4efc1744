#!/bin/sh
# Writes new texts from what the examples showed, in the place of a language model.

next() { # next NAME VALUE REQUEST
    case $3 in
        *"$1 is too low"*) echo $(($2 + 1 + $2 / 4)) ;;
        *"$1 is too high"*) echo $(($2 > 1 ? $2 - 1 : 1)) ;;
        *) echo "$2" ;;
    esac
}

echo '{"proposer": 1}'
while IFS= read -r request; do
    id=${request#'{"id":'}
    id=${id%%,*}
    text=$(printf '%s\n' "$request" | sed -n 's/.*"candidate":{"settings":"\([^"]*\)".*/\1/p')
    workers=$(printf '%s\n' "$text" | sed -n 's/.*workers=\([0-9]\{1,6\}\).*/\1/p')
    batch=$(printf '%s\n' "$text" | sed -n 's/.*batch=\([0-9]\{1,6\}\).*/\1/p')
    printf '{"id": %s, "texts": {"settings": "workers=%d\\nbatch=%d"}}\n' \
        "$id" "$(next workers "${workers:-1}" "$request")" "$(next batch "${batch:-1}" "$request")"
done
