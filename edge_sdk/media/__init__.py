"""Pictures in time: from files, arrays and live iterators, under limits, a few at a time."""
