# What the flow `report` runs: says what it was given, and ends as that asks for.
trap 'echo stopped in order; exit 0' TERM
echo "$1 $FLOWIMAGE_PARAMETERS"
case "$FLOWIMAGE_PARAMETERS" in
    *'"ending":"fails"'*) exit 3 ;;
    *'"ending":"waits"'*) while :; do sleep 0.05; done ;;
esac
