#!/bin/sh
# Runs each fuzz target for a minute, or for the seconds given: tests/fuzz/run.sh [SECONDS] [TARGET...]
# Needs cargo-fuzz and a nightly toolchain. Seeds are made here from the real lines of sample-logs.
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=${*:-syslog postfix dovecot source pseudonyms}
logs=../../sample-logs

lines() {
    find "$logs" -name '*.log*' -type f | sort | while read -r file; do
        case $file in
        */damaged/*) ;;
        *.gz) gzip -dc "$file" ;;
        *.zst) zstd -qdc "$file" ;;
        *) cat "$file" ;;
        esac
    done
}

# One file a line, of lines that differ by more than their numbers.
seed() {
    mkdir -p "corpus/$1"
    LC_ALL=C awk -v dir="corpus/$1" '{
        shape = $0; gsub(/[0-9A-Fa-f]+/, "N", shape); shape = substr(shape, 1, 60)
        if (!seen[shape]++ && made < 2000) { name = dir "/line-" ++made; printf "%s", $0 > name; close(name) }
    }'
}

mkdir -p corpus
lines | seed syslog
lines | seed pseudonyms
# The first byte chooses the program: what follows the header, with each of a few in front.
lines | sed -n 's/^.* postfix\/[^:]*: //p' | awk '{ printf "%c%s\n", 65 + NR % 18, $0 }' | seed postfix
lines | sed -n 's/^.* dovecot: /A/p' | seed dovecot
mkdir -p corpus/source
lines | head -n 40 >corpus/source/plain
lines | head -n 40 | gzip -c >corpus/source/gzip
lines | head -n 3 | gzip -c | cat corpus/source/gzip - >corpus/source/members
lines | head -n 40 | zstd -qc >corpus/source/zstd
for tool in bzip2 xz lz4; do
    if command -v "$tool" >/dev/null; then lines | head -n 40 | "$tool" -c >"corpus/source/$tool"; fi
done
cp "$logs"/damaged/* corpus/source/
# A damaged member between two, of each codec; packed twice; a tar in what is damaged; a zip behind a program.
for codec in gzip zstd bzip2 xz lz4; do
    [ -f "corpus/source/$codec" ] || continue
    { cat "corpus/source/$codec"; head -c 300 "corpus/source/$codec"; cat "corpus/source/$codec"; } >"corpus/source/salvage-$codec"
    gzip -c "corpus/source/$codec" >"corpus/source/twice-$codec"
done
tar cf - -C "$logs" damaged | gzip -c >corpus/source/tar
{ head -c 2000 corpus/source/tar; tar cf - -C "$logs" damaged | gzip -c; } >corpus/source/salvage-tar
if command -v zip >/dev/null; then
    { printf '#!/bin/sh\nexec unzip\n'; lines | head -n 40 | zip -q - -; } >corpus/source/program
fi

failed=
for target in $targets; do
    echo "== $target: $seconds seconds"
    cargo +nightly fuzz run --fuzz-dir . "$target" -- \
        -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 ||
        failed="$failed $target"
done
rm -f /dev/shm/mtaudit-fuzz-*
[ -z "$failed" ] || { echo "failed:$failed (inputs under tests/fuzz/artifacts)"; exit 1; }
