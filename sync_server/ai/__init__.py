"""The AI role: takes jobs, runs their stages in workers, reports events; knows no user.

It never touches the application database: its own store holds jobs, parts, events to deliver.
"""
