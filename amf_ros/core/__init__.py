"""Core: what every room stands on. Imports nothing else of amf_ros.

values.py      what flows between rooms: numpy arrays with names and stamps;  frames.py  observations
errors.py      one class for each kind of error, with one clear line
config.py      YAML -> validated models;  plain_yaml.py reads and writes YAML 1.2
plugins.py     short name, or package.module:Object -> the object
defaults.py    defaults that several rooms share
paths.py       paths that people name, and files that ship with amf_ros
stats.py       intervals for counts;  covariance.py  kernels over inputs
"""
