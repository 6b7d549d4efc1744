#!/bin/sh
# A process evaluator without any JSON library: 1 when the request mentions the word "please".
# Enough to see the protocol; real evaluators want a language that can parse JSON.

echo '{"protocol": 1}'

while IFS= read -r request; do
    # The id is the first key of every request.
    id=${request#'{"id":'}
    id=${id%%,*}
    case $request in
        *please*) score=1 feedback='Polite.' ;;
        *) score=0 feedback='The prompt should say please.' ;;
    esac
    printf '{"id": %s, "score": %s, "feedback": "%s"}\n' "$id" "$score" "$feedback"
done
