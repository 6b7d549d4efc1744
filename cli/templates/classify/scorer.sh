#!/bin/sh
# Scores answers: one line of JSON in, one line out. `field` reads texts without quotation marks, which is
# enough for labels; use Python or Node where answers need parsing.

field() { # field NAME LINE
    printf '%s\n' "$2" | sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'
}

echo '{"protocol": 1}'
while IFS= read -r request; do
    id=${request#'{"id":'}
    id=${id%%,*}
    output=$(field output "$request")
    expected=$(field expected "$request")
    if [ "$output" = "$expected" ]; then
        printf '{"id": %s, "score": 1, "feedback": "The answer is right: `%s`."}\n' "$id" "$expected"
    else
        printf '{"id": %s, "score": 0, "feedback": "The answer was `%s`. The expected answer is `%s`."}\n' \
            "$id" "$output" "$expected"
    fi
done
