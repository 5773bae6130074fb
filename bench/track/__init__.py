"""What `bench track` does: results and logs, replayed from the files into the tools that people look at trainings with.

record.py says what there is of a job, trackers/ has a module for each tool, folder.py is where they write, replay.py
brings what is new there.
"""
