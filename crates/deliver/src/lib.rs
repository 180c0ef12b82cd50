//! What leaves the program for people: notifications over channels, from a queue on disk.
#![forbid(unsafe_code)]
