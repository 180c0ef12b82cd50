//! Reports and the pictures in them: a report's model in, HTML, PDF, SVG and PNG out.
#![forbid(unsafe_code)]
