"""Input files: CSV, TSV, lists of texts, FASTA and Parquet become chunks of rows.

In: a file of any length. Out: `Chunk` objects with texts and pass-through columns, in file order.
Read `read_input.py` first. A new format is a module like `fasta.py` and two lines in that file.

read_input.py - choose the reader by file name, and stream a file as blocks or chunks
chunk.py      - `Chunk`: rows that are read, with the problem of each unreadable row
line_block.py - `LineBlock`: lines of CSV, TSV and plain lists that a worker parses into a chunk
fasta.py, parquet.py - readers of the other two formats
header.py     - column names, and which column holds the text
text_lines.py - lines of a file as bytes, and bytes that are not text
part.py       - `Part`: which rows one job of an array job builds
synthetic.py  - synthetic peptides as an input file
"""
