#!/bin/sh
# Runs the candidate on one example: one line of JSON in, one line out. `field` reads texts without quotation
# marks, which is enough for this example; use Python or Node where texts need parsing.

field() { # field NAME LINE
    printf '%s\n' "$2" | sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'
}

echo '{"protocol": 1}'
while IFS= read -r request; do
    id=${request#'{"id":'}
    id=${id%%,*}
    words=" $(field words "$request" | sed 's/\\n/ /g') "
    text=$(field text "$request")
    expected=$(field expected "$request")
    found=
    longest=
    for word in $text; do
        case $words in *" $word "*) [ -n "$found" ] || found=$word ;; esac
        [ "${#word}" -le "${#longest}" ] || longest=$word
    done
    answer=normal
    [ -z "$found" ] || answer=urgent
    score=0
    if [ "$answer" = "$expected" ]; then
        score=1 feedback='The answer is right.'
    elif [ -n "$found" ]; then
        feedback="The expected answer is \`$expected\`. A word to remove: \`$found\`."
    else
        feedback="The expected answer is \`$expected\`. A word to add: \`$longest\`."
    fi
    printf '{"id": %s, "score": %s, "feedback": "%s", "output": "%s"}\n' "$id" "$score" "$feedback" "$answer"
done
