"""embed.py PROGRAM OUT.c: the program's bytes as C."""
import sys
from pathlib import Path

data = Path(sys.argv[1]).read_bytes() if sys.argv[1] != "none" else b""
lines = [",".join(map(str, data[i:i + 24])) for i in range(0, len(data), 24)]
Path(sys.argv[2]).write_text(
    '#include "init_program.h"\n'
    "const unsigned char init_program[] = {\n" + ",\n".join(lines or ["0"]) + "\n};\n"
    f"const size_t init_program_size = {len(data)};\n")
