"""Input files: CSV, TSV, lists of texts, SDF, FASTA, Parquet, Arrow and JSON Lines become chunks.

In: a file of any length. Out: `Chunk` objects with texts and pass-through columns, in file order.
Read `read_input.py` first. A new format is a module like `fasta.py` and two lines in that file.

read_input.py - choose the reader, and stream a file as blocks or chunks
file_kind.py  - the kind of a file by its content and name; kinds that are refused
chunk.py      - `Chunk`: rows that are read, with the problem of each unreadable row
line_block.py - `LineBlock`: lines of CSV, TSV and plain lists that a worker parses into a chunk
plain_list.py - text and name of a line of a plain list, and files that are no such list
sdf.py        - records of SDF files, with their properties as columns
fasta.py, typed_tables.py, json_lines.py - readers of the other formats
header.py     - column names, and which column holds the text
text_lines.py - lines of a file as bytes, and bytes that are not text
early_notes.py - what the first rows show, before all are converted
part.py       - `Part`: which rows one job of an array job builds
synthetic.py  - synthetic peptides as an input file
"""
