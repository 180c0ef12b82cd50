/** A schedule as its form has it. */
import type { Every, Format, Schedule, ScheduleDraft } from "./ask";

export interface ScheduleFields {
  name: string;
  every: Every;
  at: string;
  zone: string;
  language: string;
  model: string;
  formats: Format[];
  folder: string;
  channels: string[];
}

export const newSchedule = (zone: string, language: string): ScheduleFields => ({
  name: "", every: "weekly", at: "08:00", zone, language, model: "", formats: ["html", "pdf"], folder: "", channels: [],
});

export const fieldsOf = (schedule: Schedule): ScheduleFields => ({
  name: schedule.name, every: schedule.every, at: schedule.at, zone: schedule.zone, language: schedule.language, model: schedule.model, folder: schedule.folder,
  formats: schedule.formats as Format[], channels: [...schedule.channels],
});

export type WrongSchedule = "name_missing" | "at_wrong" | "zone_wrong" | "formats_missing" | "folder_wrong";

const isZone = (zone: string): boolean => {
  try {
    return zone.trim() !== "" && new Intl.DateTimeFormat("en", { timeZone: zone.trim() }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
};

export function readSchedule(fields: ScheduleFields): { schedule: ScheduleDraft | null; wrong: WrongSchedule | null } {
  const folder = fields.folder.trim();
  const wrong: WrongSchedule | null =
    fields.name.trim() === "" ? "name_missing"
    : !/^([01]\d|2[0-3]):[0-5]\d$/.test(fields.at) ? "at_wrong"
    : !isZone(fields.zone) ? "zone_wrong"
    : fields.formats.length === 0 ? "formats_missing"
    : folder !== "" && !folder.startsWith("/") ? "folder_wrong"
    : null;
  if (wrong) return { schedule: null, wrong };
  const { every, at, language, formats, channels } = fields;
  return {
    wrong: null,
    schedule: { name: fields.name.trim(), every, at, zone: fields.zone.trim(), language, model: fields.model.trim(), formats: [...formats], folder, channels: [...channels] },
  };
}
