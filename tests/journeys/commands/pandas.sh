# From two pandas tables to a report: the cells of examples/log_to_report.ipynb, on files of one's own.
python cells.py
