#!/bin/sh
# Measures the candidate: one line of JSON in, one line out. The score says how near two settings are to what
# the load needs.

near() { # near VALUE BEST: 0 to 500
    if [ "$1" -lt "$2" ]; then echo $((500 * $1 / $2)); else echo $((500 * $2 / $1)); fi
}
said() { # said NAME VALUE BEST
    if [ "$2" -lt "$3" ]; then echo "$1 is too low. "; elif [ "$2" -gt "$3" ]; then echo "$1 is too high. "; fi
}

echo '{"protocol": 1}'
while IFS= read -r request; do
    id=${request#'{"id":'}
    id=${id%%,*}
    load=$(printf '%s\n' "$request" | sed -n 's/.*"example":\([0-9]*\).*/\1/p')
    workers=$(printf '%s\n' "$request" | sed -n 's/.*workers=\([0-9]\{1,6\}\)["\\].*/\1/p')
    batch=$(printf '%s\n' "$request" | sed -n 's/.*batch=\([0-9]\{1,6\}\)["\\].*/\1/p')
    if [ "${workers:-0}" -lt 1 ] || [ "${batch:-0}" -lt 1 ]; then
        printf '{"id": %s, "score": 0, "feedback": "Write workers=NUMBER and batch=NUMBER."}\n' "$id"
        continue
    fi
    best_workers=$((6 + load % 3)) best_batch=$((16 + load % 5))
    points=$(($(near "$workers" "$best_workers") + $(near "$batch" "$best_batch")))
    feedback="$(said workers "$workers" "$best_workers")$(said batch "$batch" "$best_batch")"
    printf '{"id": %s, "score": %d.%03d, "feedback": "%s"}\n' \
        "$id" $((points / 1000)) $((points % 1000)) "${feedback:-All settings fit.}"
done
