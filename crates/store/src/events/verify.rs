//! Checking the records of a store that nobody has open.

use std::{fs, io, path::Path};

use super::{
    part::{Part, PartId},
    schemas, wal,
};
use crate::{
    metrics::{Damage, Problem, Report},
    segment,
};

/// Adds to a report what is there and what of it is damaged. Records and segments of the log count.
pub(crate) fn check(folder: &Path, report: &mut Report) -> io::Result<()> {
    for schema in schemas() {
        let folder = folder.join(schema.kind);
        if !folder.is_dir() {
            continue;
        }
        let mut problem =
            |path, damage| report.problems.push(Problem { path, damage, repaired: None });
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder)? {
            paths.push(entry?.path());
        }
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(id) = PartId::parse(name).filter(|id| id.version <= schema.version) else {
                continue;
            };
            report.parts += 1;
            let checked = Part::open(path.clone(), id, schema)
                .and_then(|part| Ok((part.records, part.damaged_files()?)));
            match checked {
                Ok((records, damaged)) => {
                    report.records += records;
                    if let Some(file) = damaged.first() {
                        problem(path, Damage::File(format!("{} is damaged", file.display())));
                    }
                }
                Err(error) => problem(path, Damage::File(error.to_string())),
            }
        }
        let wal = folder.join("wal");
        if !wal.is_dir() {
            continue;
        }
        for (_, path) in segment::segments(&wal)? {
            report.segments += 1;
            let good = wal::read_segment(&path, |_, _, _| report.records_logged += 1)?;
            let bytes = fs::metadata(&path)?.len().saturating_sub(good);
            if bytes > 0 {
                problem(path, Damage::Tail(bytes));
            }
        }
    }
    Ok(())
}
