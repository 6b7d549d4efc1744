#!/bin/sh
# Writes new texts from what the examples showed, in the place of a language model.

echo '{"proposer": 1}'
while IFS= read -r request; do
    id=${request#'{"id":'}
    id=${id%%,*}
    words=$(printf '%s\n' "$request" | sed -n 's/.*"candidate":{"words":"\([^"]*\)".*/\1/p' | sed 's/\\n/ /g')
    # Every feedback stands on a line of its own after this.
    said=$(printf '%s\n' "$request" | sed 's/"feedback":/\
/g')
    add=$(printf '%s\n' "$said" | sed -n 's/^"[^"]*A word to add: `\([^`]*\)`.*/\1/p')
    remove=" $(printf '%s\n' "$said" | sed -n 's/^"[^"]*A word to remove: `\([^`]*\)`.*/\1/p' | tr '\n' ' ') "
    text=
    for word in $words $add; do
        case $remove in *" $word "*) continue ;; esac
        case "\\n$text\\n" in *"\\n$word\\n"*) continue ;; esac
        text="${text:+$text\\n}$word"
    done
    printf '{"id": %s, "texts": {"words": "%s"}}\n' "$id" "${text:-help}"
done
