// Parts are in a folder for each model, `data/aotinductor/NAME/`; ExecuTorch and MTIA have one folder
// for all.
#include "formats/exported/compiled.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "formats/json_member.h"

namespace torchvet {
namespace {

constexpr std::string_view kInductor = "data/aotinductor/";

/// The model that a member is a part of; nothing when it is no native code.
std::optional<std::string> model_of(std::string_view part) {
  if (part.starts_with(kInductor)) {
    part.remove_prefix(kInductor.size());
    return std::string(part.substr(0, part.find('/')));
  }
  if (part.starts_with("data/executorch/") || part.starts_with("data/mtia")) return "";
  return std::nullopt;
}

/// Values that are no text are left out. Each part has such a file, mostly the same.
void add_notes(const JsonDocument& notes, CompiledModel& model) {
  constexpr std::size_t kMostNotes = 64;
  const auto fields = json_object(notes.root());
  if (!fields) return;
  for (const auto field : *fields) {
    const auto value = json_text(field.value);
    if (!value || value->empty()) continue;
    const auto at = std::find_if(model.notes.begin(), model.notes.end(),
                                 [&](const auto& note) { return note.first == field.key; });
    if (at != model.notes.end()) continue;
    if (model.notes.size() == kMostNotes) return;
    model.notes.emplace_back(field.key, *value);
  }
}

}  // namespace

void list_native_code(ByteView file, const ZipDirectory& zip, const Limits& limits, Artifact& artifact) {
  std::map<std::string, CompiledModel> models;
  for (const Member& member : zip.members) {
    if (!member.name.starts_with(zip.prefix)) continue;
    const std::string_view part = std::string_view(member.name).substr(zip.prefix.size());
    const std::optional<std::string> name = model_of(part);
    if (!name) continue;
    CompiledModel& model = models[*name];
    model.name = *name;
    model.parts.emplace_back(part);
    if (!part.ends_with("metadata.json")) continue;
    if (const auto notes = json_member(file, member, limits, artifact)) add_notes(*notes, model);
  }
  for (auto& [name, model] : models) {
    artifact.add_gap(name.empty() ? "compiled code" : "compiled model " + name,
                     std::to_string(model.parts.size()) +
                         " parts of native code, which cannot be analysed");
    artifact.exported->compiled.push_back(std::move(model));
  }
}

}  // namespace torchvet
