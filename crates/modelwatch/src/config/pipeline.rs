//! `[[log_pipeline]]`: as it is written, and what is wrong with it.

use logs::{
    Zone,
    pipeline::{BadPipeline, PipelineText, Pipelines, StepText},
};

use super::{Problem, lines::Lines};

/// A pipeline, and where it stands in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogPipeline {
    pub(super) text: PipelineText,
    /// Line of the entry, for errors found after parsing.
    pub(super) line: usize,
    /// Lines of its steps.
    pub(super) step_lines: Vec<usize>,
}

impl LogPipeline {
    pub(super) fn begin_step(&mut self, line: usize) {
        self.text.steps.push(StepText::default());
        self.step_lines.push(line);
    }

    /// As lines that a configuration file could hold.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[log_pipeline]]");
        lines.text("name", Some(&self.text.name));
        lines.written("match", &self.text.matches);
        let mut lines = lines.0;
        for step in &self.text.steps {
            lines.push("[[log_pipeline.step]]".to_owned());
            lines.extend(step_lines(step));
        }
        lines
    }
}

fn step_lines(step: &StepText) -> Vec<String> {
    let mut lines = Lines::default();
    lines.text("if", step.when.as_ref());
    lines.text("from", step.from.as_ref());
    lines.text("prefix", step.prefix.as_ref());
    lines.text("regex", step.regex.as_ref());
    lines.text("grok", step.grok.as_ref());
    lines.pairs("patterns", &step.patterns);
    lines.plain("json", step.json);
    lines.plain("logfmt", step.logfmt);
    lines.pairs("rename", &step.rename);
    lines.pairs("set", &step.set);
    lines.texts("remove", &step.remove);
    lines.text("drop", step.drop.as_ref());
    lines.texts("redact", &step.redact);
    lines.text("replacement", step.replacement.as_ref());
    lines.pairs("route", &step.route);
    lines.plain("sample", step.sample);
    lines.text("by", step.by.as_ref());
    match &step.severity {
        Some(names) if names.is_empty() => lines.0.push("severity = {}".to_owned()),
        names => lines.pairs("severity", names.as_deref().unwrap_or_default()),
    }
    match &step.time {
        Some(examples) if examples.is_empty() => lines.0.push("time = []".to_owned()),
        examples => lines.texts("time", examples.as_deref().unwrap_or_default()),
    }
    lines.text("metric", step.metric.as_ref());
    lines.text("type", step.kind.as_ref());
    lines.pairs("labels", &step.labels);
    lines.0
}

/// All pipelines, ready for lines. What could be wrong was checked, so that none are left out.
pub(super) fn compile(
    pipelines: &[LogPipeline],
    zone: Zone,
) -> Result<Pipelines, Vec<BadPipeline>> {
    let texts: Vec<PipelineText> = pipelines.iter().map(|one| one.text.clone()).collect();
    Pipelines::compile(&texts, zone)
}

/// Everything that is wrong with the pipelines together.
pub(super) fn check(pipelines: &[LogPipeline], problems: &mut Vec<Problem>) {
    let Err(bad) = compile(pipelines, Zone::utc()) else { return };
    for BadPipeline { pipeline, step, key, reason } in bad {
        let Some(pipeline) = pipelines.get(pipeline) else { continue };
        let mut params =
            vec![("name", pipeline.text.name.clone()), ("key", key.to_owned()), ("reason", reason)];
        if step == 0 {
            problems.push(Problem::new(pipeline.line, "config.log_pipeline", params));
            continue;
        }
        let line = pipeline.step_lines.get(step - 1).copied().unwrap_or(pipeline.line);
        params.push(("step", step.to_string()));
        problems.push(Problem::new(line, "config.log_pipeline_step", params));
    }
}
