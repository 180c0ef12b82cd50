//! One part of a kind: the records of a day, or of some of it, in an index of their own or in [`super::blocks`].
//!
//! The index decides which records match, its columns are summed up, and each record lies whole and packed
//! beside it. The number of the last record of each commit is in the commit, which is how a start knows what
//! of the log is here already.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use model::{civil_from_days, days_from_civil};
use tantivy::{
    Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument,
    indexer::IndexWriterOptions,
    merge_policy::LogMergePolicy,
    schema::{
        BytesOptions, Field, IndexRecordOption, NumericOptions, TextFieldIndexing, TextOptions,
    },
    store::{Compressor, ZstdCompressor},
    tokenizer::{RawTokenizer, TextAnalyzer},
};

use super::{
    blocks::Files,
    schema::{FieldType, Record, Schema, Value, thousandths},
    tail::Batch,
    words::WordTokenizer,
};
use crate::disk::Disk;

pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Fields that every index has beside those of its kind.
pub(super) const TIME: &str = "_time";
pub(super) const NUMBER: &str = "_number";
const RECORD: &str = "_record";
/// The names of fields that are known and have no column that would tell.
pub(super) const HAS: &str = "_has";

/// The file that makes a folder an index.
pub(super) const META: &str = "meta.json";

/// Between name and value of an entry of a map.
pub(super) const NAME_END: char = '\0';

const WORDS: &str = "words";
const RAW: &str = "raw";
/// Memory of the index being written; fuller, it becomes a segment.
const WRITER_BYTES: usize = 15 << 20;
/// Larger blocks pack better and cost more to read one record of.
const STORE_BLOCK_BYTES: usize = 16 << 10;
/// Unpacked blocks that a reader keeps, of each segment.
const STORE_CACHE_BLOCKS: usize = 2;
/// Segments with more records are not merged any more.
const MERGE_RECORDS_MAX: usize = 4_000_000;

/// Which part: its day since 1970, the version of its schema, and its number among the parts of that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PartId {
    pub(super) day: i64,
    pub(super) version: u32,
    pub(super) number: u32,
}

impl PartId {
    pub(super) fn day_of(time: i64) -> i64 {
        time.div_euclid(DAY_MS)
    }

    /// `2026-11-28.v1.1`
    pub(super) fn name(self) -> String {
        format!("{}.v{}.{}", Self::day_text(self.day), self.version, self.number)
    }

    /// `2026-11-28`
    pub(super) fn day_text(day: i64) -> String {
        let (year, month, day) = civil_from_days(day);
        format!("{year:04}-{month:02}-{day:02}")
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut words = name.split('.');
        let mut date = words.next()?.split('-');
        let mut number = || date.next()?.parse::<i64>().ok();
        let day = day(number()?, number()?, number()?)?;
        let version = words.next()?.strip_prefix('v')?.parse().ok()?;
        let id = Self { day, version, number: words.next()?.parse().ok()? };
        (id.name() == name).then_some(id)
    }
}

fn day(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_date =
        (0..=9_999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    is_date.then(|| days_from_civil(year, month, day))
}

/// A part as readers see it. A commit makes a new one.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) id: PartId,
    pub(super) path: PathBuf,
    pub(super) content: Content,
    /// The number of the newest record that it holds.
    pub(super) committed: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// First and last time of its records; nothing when it has none.
    pub(super) times: Option<(i64, i64)>,
}

/// Where its records are.
#[derive(Clone)]
pub(super) enum Content {
    Index(Box<Indexed>),
    /// Of a kind that has a body.
    Blocks(Files),
}

/// The index of a part.
#[derive(Clone)]
pub(super) struct Indexed {
    index: Index,
    reader: IndexReader,
    pub(super) searcher: Searcher,
    fields: Fields,
}

#[derive(Clone)]
struct Fields {
    time: Field,
    number: Field,
    record: Field,
    has: Field,
    /// By position; those that are only kept have none.
    own: Vec<Option<Field>>,
}

/// Runs what reads files that may be damaged. The index checks less than it should before it trusts them.
pub(super) fn guarded<T>(work: impl FnOnce() -> tantivy::Result<T>) -> tantivy::Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(tantivy::TantivyError::InternalError("damaged index".to_owned())))
}

impl Part {
    pub(super) fn create(
        folder: &Path,
        id: PartId,
        schema: &'static Schema,
    ) -> tantivy::Result<Self> {
        let path = folder.join(id.name());
        fs::create_dir_all(&path)?;
        if schema.body().is_some() {
            return Self::open(path, id, schema);
        }
        guarded(|| {
            let index = Index::builder()
                .schema(index_schema(schema))
                .settings(IndexSettings {
                    docstore_compression: Compressor::Zstd(ZstdCompressor::default()),
                    docstore_blocksize: STORE_BLOCK_BYTES,
                    docstore_compress_dedicated_thread: false,
                    ..IndexSettings::default()
                })
                .create_in_dir(&path)?;
            Self::with(path, id, Content::Index(Box::new(Indexed::new(schema, index)?)))
        })
    }

    /// Changes nothing on the disk.
    pub(super) fn open(
        path: PathBuf,
        id: PartId,
        schema: &'static Schema,
    ) -> tantivy::Result<Self> {
        guarded(|| {
            let content = if schema.body().is_some() {
                Content::Blocks(Files::open(&path)?)
            } else {
                Content::Index(Box::new(Indexed::new(schema, Index::open_in_dir(&path)?)?))
            };
            Self::with(path, id, content)
        })
    }

    fn with(path: PathBuf, id: PartId, content: Content) -> tantivy::Result<Self> {
        let mut part = Self { id, path, content, committed: 0, records: 0, bytes: 0, times: None };
        part.look()?;
        Ok(part)
    }

    /// As it is after the last commit and merge.
    pub(super) fn reloaded(&self) -> tantivy::Result<Self> {
        guarded(|| {
            let mut part = self.clone();
            match &mut part.content {
                Content::Index(indexed) => {
                    indexed.reader.reload()?;
                    indexed.searcher = indexed.reader.searcher();
                }
                Content::Blocks(files) => *files = Files::open(&self.path)?,
            }
            part.look()?;
            Ok(part)
        })
    }

    fn look(&mut self) -> tantivy::Result<()> {
        self.bytes = folder_bytes(&self.path)?;
        (self.committed, self.records, self.times) = match &self.content {
            Content::Index(indexed) => {
                (indexed.committed()?, indexed.searcher.num_docs(), indexed.times()?)
            }
            Content::Blocks(files) => (files.committed(), files.records(), files.times()),
        };
        Ok(())
    }

    /// Takes the records of batches that it does not have yet, and what is left of former attempts away. Only for
    /// parts of blocks.
    pub(super) fn with_batches(
        &self,
        schema: &'static Schema,
        batches: &[Arc<Batch>],
        disk: &Disk,
    ) -> tantivy::Result<Self> {
        // A commit may have succeeded although it could not be read back.
        let committed = self.reloaded()?.committed;
        Files::clean(&self.path, disk)?;
        Files::write(&self.path, schema, batches, committed, disk)?;
        self.reloaded()
    }

    /// With small files put together, if there are so many of about one size. Only for parts of blocks.
    pub(super) fn merged(
        &self,
        schema: &'static Schema,
        files_min: usize,
        disk: &Disk,
    ) -> tantivy::Result<Option<Self>> {
        let Content::Blocks(files) = &self.content else { return Ok(None) };
        if !files.merge(&self.path, schema, files_min, disk)? {
            return Ok(None);
        }
        Files::clean(&self.path, disk)?;
        self.reloaded().map(Some)
    }

    /// The files whose content is not what was written.
    pub(super) fn damaged_files(&self) -> tantivy::Result<Vec<PathBuf>> {
        match &self.content {
            Content::Index(indexed) => {
                guarded(|| Ok(indexed.index.validate_checksum()?.into_iter().collect()))
            }
            Content::Blocks(files) => Ok(files.damaged()),
        }
    }
}

impl Indexed {
    fn new(schema: &Schema, index: Index) -> tantivy::Result<Self> {
        index.tokenizers().register(WORDS, WordTokenizer);
        index.tokenizers().register(RAW, TextAnalyzer::from(RawTokenizer::default()));
        let found = index.schema();
        let own = schema.fields.iter().map(|field| found.get_field(field.name).ok());
        let fields = Fields {
            time: found.get_field(TIME)?,
            number: found.get_field(NUMBER)?,
            record: found.get_field(RECORD)?,
            has: found.get_field(HAS)?,
            own: own.collect(),
        };
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(STORE_CACHE_BLOCKS)
            .try_into()?;
        let searcher = reader.searcher();
        Ok(Self { index, reader, searcher, fields })
    }

    fn committed(&self) -> tantivy::Result<u64> {
        let payload = self.index.load_metas()?.payload;
        Ok(payload.and_then(|payload| payload.parse().ok()).unwrap_or(0))
    }

    fn times(&self) -> tantivy::Result<Option<(i64, i64)>> {
        let mut all: Option<(i64, i64)> = None;
        for segment in self.searcher.segment_readers() {
            let times = segment.fast_fields().i64(TIME)?;
            if segment.max_doc() > 0 {
                let (first, last) = (times.min_value(), times.max_value());
                let known = all.unwrap_or((first, last));
                all = Some((known.0.min(first), known.1.max(last)));
            }
        }
        Ok(all)
    }

    pub(super) fn writer(&self) -> tantivy::Result<IndexWriter> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer: IndexWriter = guarded(|| self.index.writer_with_options(options))?;
        let mut policy = LogMergePolicy::default();
        policy.set_max_docs_before_merge(MERGE_RECORDS_MAX);
        writer.set_merge_policy(Box::new(policy));
        Ok(writer)
    }

    /// What the index is told of a record; `bytes` is the record, encoded.
    pub(super) fn document(
        &self,
        schema: &Schema,
        number: u64,
        record: &Record,
        bytes: &[u8],
    ) -> TantivyDocument {
        let fields = &self.fields;
        let mut document = TantivyDocument::new();
        document.add_i64(fields.time, record.time.0);
        document.add_u64(fields.number, number);
        document.add_bytes(fields.record, bytes);
        for (position, value) in record.values() {
            let position = usize::from(*position);
            let Some(described) = schema.fields.get(position) else { continue };
            if super::matching::is_remembered(described.field_type) {
                document.add_text(fields.has, described.name);
            }
            let Some(field) = fields.own.get(position).copied().flatten() else { continue };
            match value {
                Value::Text(text) => document.add_text(field, text),
                Value::Flag(_) => document.add_text(field, value.as_text().unwrap_or_default()),
                Value::Count(count) => document.add_u64(field, *count),
                Value::Number(number) => document.add_i64(field, thousandths(*number)),
                Value::Map(pairs) => {
                    for (name, value) in pairs {
                        document.add_text(field, format!("{name}{NAME_END}{value}"));
                    }
                }
            }
        }
        document
    }

    /// The handle of a field of the kind, where this part's index has it.
    pub(super) fn field(&self, position: usize) -> Option<Field> {
        self.fields.own.get(position).copied().flatten()
    }

    pub(super) fn has_field(&self) -> Field {
        self.fields.has
    }

    /// Reads a record whole.
    pub(super) fn record(&self, address: tantivy::DocAddress) -> tantivy::Result<Record> {
        guarded(|| {
            let document: TantivyDocument = self.searcher.doc(address)?;
            let bytes = document.get_first(self.fields.record);
            let bytes = bytes.as_ref().and_then(tantivy::schema::Value::as_bytes);
            bytes.and_then(Record::decode).ok_or_else(|| {
                tantivy::TantivyError::InternalError("a record cannot be read".to_owned())
            })
        })
    }
}

fn index_schema(schema: &Schema) -> tantivy::schema::Schema {
    let mut builder = tantivy::schema::Schema::builder();
    let indexing = |tokenizer, option| {
        TextFieldIndexing::default()
            .set_tokenizer(tokenizer)
            .set_index_option(option)
            .set_fieldnorms(false)
    };
    let exact =
        || TextOptions::default().set_indexing_options(indexing(RAW, IndexRecordOption::Basic));
    builder.add_i64_field(TIME, NumericOptions::default().set_fast());
    builder.add_u64_field(NUMBER, NumericOptions::default().set_fast());
    builder.add_bytes_field(RECORD, BytesOptions::default().set_stored());
    builder.add_text_field(HAS, exact());
    for field in &schema.fields {
        let name = field.name;
        match field.field_type {
            FieldType::Keyword | FieldType::Flag => {
                builder.add_text_field(name, exact().set_fast(RAW));
            }
            FieldType::Id | FieldType::Map => {
                builder.add_text_field(name, exact());
            }
            FieldType::Text => {
                let indexing = indexing(WORDS, IndexRecordOption::WithFreqsAndPositions);
                builder.add_text_field(name, TextOptions::default().set_indexing_options(indexing));
            }
            FieldType::Count => {
                builder.add_u64_field(name, NumericOptions::default().set_fast());
            }
            FieldType::Millis => {
                builder.add_i64_field(name, NumericOptions::default().set_fast());
            }
            // Kinds that have the last two have no index.
            FieldType::Kept | FieldType::Private | FieldType::Body | FieldType::Pattern => {}
        }
    }
    builder.build()
}

/// Of the files in a folder. One that goes while it is looked at counts nothing.
pub(super) fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dates() {
        let check = |day, name: &str| {
            let id = PartId { day, version: 3, number: 12 };
            assert_eq!(id.name(), name);
            assert_eq!(PartId::parse(name), Some(id));
        };
        check(0, "1970-01-01.v3.12");
        check(19_782, "2024-02-29.v3.12");
        check(20_785, "2026-11-28.v3.12");
        check(-1, "1969-12-31.v3.12");
        for name in ["", "2026-11-28", "2026-02-30.v1.1", "2026-11-28.v1.01", "2026-11-28.v1.1.bad"]
        {
            assert_eq!(PartId::parse(name), None, "{name}");
        }
        for day in -1_000..100_000 {
            let (year, month, of_month) = civil_from_days(day);
            assert_eq!(super::day(year, month, of_month), Some(day));
        }
    }
}
