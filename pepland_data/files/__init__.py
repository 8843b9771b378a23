"""Files and folders: complete files, one build per folder, and folders at a URL.

Read ``atomic.py`` first; every file of a store is written with it.

atomic.py - write a file under a temporary name, then rename it.
json_forms.py - parse and check JSON that another program may have written.
folder_lock.py - let only one build at a time work in a folder.
packed.py - open compressed files.
remote.py - read and write a folder at ``s3://`` or ``gs://``.
"""
