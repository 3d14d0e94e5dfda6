#!/usr/bin/env python3
"""Makes postfix/ and damaged/ anew from the captures of the mail lab.

usage: remake.py LAB        LAB is the folder of lab.py, with captures/ in it

Needs xz and zstd. The result is the same, byte for byte, with the same zstd.
"""
import gzip
import lzma
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
DAYS = range(8, 24)  # of November 2026; the last is the day of mx2's run


def unxz(path):
    return lzma.decompress(path.read_bytes())


def zstd(data):
    done = subprocess.run(["zstd", "-q", "-c", "-19"], input=data, capture_output=True, check=True)
    return done.stdout


def two_members(data):
    half = data.find(b"\n", len(data) // 2) + 1
    return gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)


def write(folder, files):
    """`files`: newest first. Two are plain, as with logrotate's delaycompress."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for age, data in enumerate(files):
        name, packed = "mail.log" if age == 0 else f"mail.log.{age}", data
        if age >= 2 and age % 2 == 0:
            name, packed = name + ".gz", two_members(data) if age == 6 else gzip.compress(data, mtime=0)
        elif age >= 2:
            name, packed = name + ".zst", zstd(data)
        (folder / name).write_bytes(packed)


def mx1(lab):
    captures = lab / "captures" / "postfix"
    with tempfile.TemporaryDirectory() as tmp:
        run, month = pathlib.Path(tmp, "run"), pathlib.Path(tmp, "month")
        run.mkdir()
        for name in ("mail.iso.log", "truth.jsonl", "sink.jsonl"):
            (run / name).write_bytes(unxz(captures / f"{name}.xz"))
        spread = [sys.executable, lab / "spread.py", run, "--out", month, "--month", "2026-11"]
        subprocess.run([*spread, "--tz", "Europe/Berlin", "--format", "iso"], check=True)
        days = [gzip.decompress((month / f"mail.log-202611{day:02}.gz").read_bytes()) for day in DAYS]
    write(HERE / "postfix" / "mx1", days[::-1])


def mx2(lab):
    lines = unxz(lab / "captures" / "postfix" / "long-ids.mail.log.xz").splitlines(keepends=True)
    lines = [line[:16] + line[16:].replace(b"mx1 ", b"mx2 ", 1) for line in lines]
    size = -(-len(lines) // 4)
    parts = [b"".join(lines[at:at + size]) for at in range(0, len(lines), size)]
    write(HERE / "postfix" / "mx2", parts[::-1])


def damaged():
    folder = HERE / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    day = (HERE / "postfix" / "mx1" / "mail.log").read_bytes()
    start = day.splitlines(keepends=True)[:400]
    log = b"".join(start).replace(b" mx1 ", b" mx3 ")
    packed = gzip.compress(log, mtime=0)
    (folder / "truncated.log.gz").write_bytes(packed[:len(packed) * 2 // 3])
    # Several frames, so that the damage in one of them leaves those before it.
    frames = [zstd(b"".join(start[at:at + 100]).replace(b" mx1 ", b" mx4 ")) for at in range(0, 400, 100)]
    packed = bytearray(b"".join(frames))
    middle = len(frames[0]) + len(frames[1]) + len(frames[2]) // 2
    packed[middle:middle + 64] = bytes(64)
    (folder / "corrupt.log.zst").write_bytes(packed)
    (folder / "empty.log").write_bytes(b"")
    (folder / "core").write_bytes(bytes((n * n * 31 + n // 7) % 251 for n in range(4096)))
    dpkg = [f"2026-11-{day:02} 06:25:0{day % 10} upgrade example{day}:amd64 1.{day} 1.{day + 1}\n" for day in range(1, 20)]
    (folder / "dpkg.log").write_text("".join(dpkg))


if len(sys.argv) != 2:
    sys.exit(__doc__)
LAB = pathlib.Path(sys.argv[1]).resolve()
mx1(LAB)
mx2(LAB)
damaged()
