#include "report/json_shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/limits.h"
#include "engine/report.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostFaults = 20;

Shape of(ShapeType type) {
  Shape shape;
  shape.type = type;
  return shape;
}

Shape text(TextKind kind = TextKind::kAny) {
  Shape shape = of(ShapeType::kText);
  shape.kind = kind;
  return shape;
}

Shape choice(std::vector<std::string_view> choices) {
  Shape shape = text();
  shape.choices = std::move(choices);
  return shape;
}

Shape whole(std::vector<std::uint64_t> numbers = {}) {
  Shape shape = of(ShapeType::kWhole);
  shape.numbers = std::move(numbers);
  return shape;
}

Shape boolean() { return of(ShapeType::kBool); }

Shape or_null(Shape shape) {
  shape.nullable = true;
  return shape;
}

Shape list(Shape item) {
  Shape shape = of(ShapeType::kList);
  shape.item.push_back(std::move(item));
  return shape;
}

Shape object(std::vector<ShapeField> fields) {
  Shape shape = of(ShapeType::kObject);
  shape.fields = std::move(fields);
  return shape;
}

ShapeField optional(std::string_view name, std::string_view help, Shape shape) {
  return {name, help, std::move(shape), false};
}

Shape severity() { return choice({"note", "warning", "error"}); }
Shape confidence() { return choice({"low", "medium", "high"}); }

Shape limits() {
  std::vector<ShapeField> fields;
  for (const LimitName& limit : limit_names()) fields.push_back({limit.name, "", whole()});
  return object(std::move(fields));
}

Shape run() {
  return object({
      {"argv", "the command line", list(text())},
      {"limits", "that were in force", limits()},
      {"fail_on", "lowest severity that fails", choice({"note", "warning", "error", "never"})},
      {"reproducible", "times are left out", boolean()},
      optional("config", "files that had a part in the settings", list(text())),
      optional("passed_over", "what the folders hold besides models",
               object({{"files", "how many", whole()}, {"first", "some of them", list(text())}})),
      optional("started", "UTC, ISO 8601", text()),
      optional("duration_ms", "", whole()),
  });
}

Shape summary() {
  return object({
      {"error", "new findings of that severity", whole()},
      {"warning", "", whole()},
      {"note", "", whole()},
      {"suppressed", "findings that a suppression accepts", whole()},
      {"baselined", "findings that the baseline accepts", whole()},
      {"hidden_by_confidence", "findings below the asked confidence, which are not listed",
       whole()},
      {"artifacts", "", whole()},
      {"bytes", "of all artifacts", whole()},
  });
}

Shape artifact() {
  return object({
      {"path", "as the run was given it", text()},
      {"id", "the path relative to the repository, or the name given to it", text()},
      {"size", "bytes", whole()},
      {"format", "of the file; empty: it was not looked at", text(TextKind::kWord)},
      {"kind", "of the content", text(TextKind::kWord)},
      {"parameters", "elements of the model's parameters; null: not known", or_null(whole())},
      optional("sha256", "when it was asked for", text(TextKind::kSha256)),
      {"gaps", "what was not analysed", list(object({{"what", "", text()}, {"why", "", text()}}))},
      optional("form", "how its program was made", text()),
      {"unseen", "what that form hides from rules: no finding of theirs proves nothing",
       list(object({{"code", "", text(TextKind::kCode)}, {"what", "", text()}}))},
      {"skipped", "rules of the run that had nothing to look at in it",
       list(object({{"why", "", text()}, {"codes", "", list(text(TextKind::kCode))}}))},
      optional("error", "why it could not be read at all", text()),
  });
}

Shape location() {
  return object({
      {"artifact", "path of an artifact", text()},
      optional("member", "of the archive", text()),
      optional("object_path", "tensor, module or key", text()),
      optional("bytes", "in the artifact",
               object({{"offset", "", whole()}, {"length", "", whole()}})),
      optional("source", "line of the author's code, as the artifact has it",
               object({{"file", "", text()},
                       {"line", "", whole()},
                       {"function", "", text()},
                       {"text", "", text()}})),
  });
}

Shape finding() {
  return object({
      {"code", "of the rule", text(TextKind::kCode)},
      {"name", "of the rule", text(TextKind::kName)},
      {"severity", "that counts here", severity()},
      {"confidence", "how sure it is", confidence()},
      {"message", "what is wrong", text()},
      {"why", "why that matters", text()},
      {"help", "what to do", text()},
      {"location", "", location()},
      {"evidence", "what proves it", list(object({{"kind", "", text()}, {"text", "", text()}}))},
      {"fingerprint", "the same in later runs", text(TextKind::kFingerprint)},
      {"status", "only new ones gate", choice({"new", "baselined", "suppressed"})},
      optional("reason", "of a suppressed one", text()),
  });
}

Shape suppression() {
  return object({
      {"code", "of the rule", text()},
      {"artifact", "glob", text()},
      {"reason", "", text()},
      {"origin", "where it is written", text()},
      {"state", "what became of it",
       choice({"used", "unused", "untried", "expired", "other-sha256"})},
      {"findings", "that it suppressed", whole()},
      optional("object_path", "glob", text()),
      optional("sha256", "", text(TextKind::kSha256)),
      optional("expires", "", text(TextKind::kWord)),
      optional("owner", "", text()),
  });
}

Shape baseline() {
  return object({
      {"file", "", text()},
      {"entries", "", whole()},
      {"used", "entries whose finding is still there", whole()},
      {"stale", "entries whose finding is gone",
       list(object({{"artifact", "", text()},
                    {"code", "", text()},
                    {"object_path", "", text()},
                    {"fingerprint", "", text()}}))},
  });
}

Shape rule() {
  return object({
      {"code", "", text(TextKind::kCode)},
      {"name", "", text(TextKind::kName)},
      {"summary", "what it finds", text()},
      {"severity", "the highest it reports", severity()},
      {"confidence", "", confidence()},
  });
}

Shape interval() {
  return object({
      {"from", "path of a checkpoint", text()},
      {"to", "path of the next one", text()},
      {"from_step", "empty: not known", text(TextKind::kWord)},
      {"to_step", "", text(TextKind::kWord)},
      {"tensors", "parameters compared", whole()},
      {"moved", "of these", whole()},
      {"static", "of these", whole()},
      {"unknown", "parameters that could not be compared", whole()},
      {"median_update", "the median of the relative updates of the matrices; null: not known",
       or_null(of(ShapeType::kNumber))},
      optional("median_infinite", "that it is null because it is infinite", boolean()),
  });
}

Shape track() {
  return object({
      {"name", "of the tensor", text()},
      {"parameter", "not a buffer", boolean()},
      {"mark", "what is remarkable", choice({"none", "static", "replaced", "not-finite"})},
      optional("marked_in", "the first interval that shows it", whole()),
      {"relative_update",
       "norm of the change by the norm before, in each interval; null: not known",
       list(or_null(of(ShapeType::kNumber)))},
      optional("infinite_in", "intervals in which it is null because it is infinite",
               list(whole())),
  });
}

Shape compatibility() { return choice({"compatible", "unknown", "breaking"}); }

Shape side() {
  return object({
      {"tensors", "of the model", whole()},
      {"parameters", "elements of its parameters; null: more than can be counted",
       or_null(whole())},
  });
}

Shape change() {
  return object({
      {"change", "what it is",
       choice({"names", "missing", "unexpected", "shape", "dtype", "layout", "device", "tie"})},
      {"compatibility", "what load_state_dict does", compatibility()},
      {"name", "of the tensor: the old one where it has one", text()},
      {"before", "shape and type, or what else differs; empty: it was not there", text()},
      {"after", "empty: it is not there", text()},
      {"renamed", "the name that it may have in the other file; empty: none", text()},
      {"same_numbers", "the numbers under that name are the same", boolean()},
      {"tensors", "that differ in this way", whole()},
  });
}

Shape diff() {
  return object({
      {"path", "of the new file", text()},
      {"against", "path of the old file", text()},
      {"compatibility", "the worst of all changes", compatibility()},
      {"before", "the model of the old file", side()},
      {"after", "the model of the new file", side()},
      {"same", "tensors that differ in nothing but their device", whole()},
      {"changes", "breaking ones first", list(change())},
  });
}

/// A check without std::regex, whose recursion a long text would choose the depth of.
bool fits(std::string_view text, TextKind kind) {
  constexpr std::string_view kHex = "0123456789abcdef", kDigits = "0123456789";
  constexpr std::string_view kCapitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const auto only = [](std::string_view part, std::string_view allowed) {
    return part.find_first_not_of(allowed) == part.npos;
  };
  switch (kind) {
    case TextKind::kAny:
      return true;
    case TextKind::kCode:
      return text.size() == 6 && only(text.substr(0, 3), kCapitals) &&
             only(text.substr(3), kDigits);
    case TextKind::kName:
      return !text.empty() && only(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    case TextKind::kWord:
      return only(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._+-");
    case TextKind::kFingerprint:
      return text.size() >= 32 && only(text.substr(0, 32), kHex) &&
             (text.size() == 32 ||
              (text[32] == ':' && text.size() > 33 && only(text.substr(33), kDigits)));
    case TextKind::kSha256:
      return text.size() == 64 && only(text, kHex);
  }
  return false;
}

class Checker {
 public:
  /// As deep as the shape, whatever the file.
  void check(Json value, const Shape& shape, const std::string& place) {
    if (faults.size() == kMostFaults || (value.is_null() && shape.nullable)) return;
    switch (shape.type) {
      case ShapeType::kText:
        return check_text(json_text(value), shape, place);
      case ShapeType::kWhole:
        return check_whole(json_unsigned(value), shape, place);
      case ShapeType::kNumber:
        if (!json_number(value)) say(place, "it must be a number");
        return;
      case ShapeType::kBool:
        if (!json_bool(value)) say(place, "it must be true or false");
        return;
      case ShapeType::kObject:
        return check_fields(value, shape, place);
      case ShapeType::kList: {
        const auto array = json_array(value);
        if (!array) return say(place, "it must be a list");
        std::size_t index = 0;
        for (const Json item : *array) {
          check(item, shape.item.front(), fmt::format("{}[{}]", place, index++));
        }
      }
    }
  }

  std::vector<std::string> faults;

 private:
  void check_text(std::optional<std::string_view> value, const Shape& shape,
                  const std::string& place) {
    const auto& choices = shape.choices;
    if (!value) {
      say(place, "it must be a text");
    } else if (!choices.empty() &&
               std::find(choices.begin(), choices.end(), *value) == choices.end()) {
      say(place, fmt::format("it is none of {}", fmt::join(choices, ", ")));
    } else if (!fits(*value, shape.kind)) {
      say(place, "it is not of the form that it has in a report");
    }
  }

  void check_whole(std::optional<std::uint64_t> value, const Shape& shape,
                   const std::string& place) {
    const auto& numbers = shape.numbers;
    if (!value) {
      say(place, "it must be a whole number that is not negative");
    } else if (!numbers.empty() &&
               std::find(numbers.begin(), numbers.end(), *value) == numbers.end()) {
      say(place, fmt::format("it is none of {}", fmt::join(numbers, ", ")));
    }
  }

  void check_fields(Json value, const Shape& shape, const std::string& place) {
    if (!json_object(value)) return say(place, "it must be an object");
    for (const ShapeField& field : shape.fields) {
      const std::string at =
          place.empty() ? std::string(field.name) : fmt::format("{}.{}", place, field.name);
      if (const std::optional<Json> found = json_field(value, field.name)) {
        check(*found, field.shape, at);
      } else if (field.required) {
        say(at, "it is missing");
      }
    }
  }

  void say(const std::string& place, std::string_view what) {
    if (faults.size() < kMostFaults) {
      faults.push_back(fmt::format("{}: {}", place.empty() ? "the report" : place, what));
    }
  }
};

}  // namespace

const Shape& report_shape() {
  static const Shape kShape = object({
      {"$schema", "name of this schema", text()},
      {"schema_version", "a field more is a minor version, one less a major one",
       text(TextKind::kWord)},
      {"tool", "",
       object({{"name", "", choice({"torchvet"})},
               {"version", "", text(TextKind::kWord)},
               {"libtorch", "that read the graphs; null: none did", or_null(text())}})},
      {"run", "how it was run", run()},
      {"outcome", "", choice({"pass", "fail", "incomplete", "error"})},
      {"exit_code", "", whole({0, 1, 2, 3, 130})},
      {"summary", "", summary()},
      {"artifacts", "sorted by path", list(artifact())},
      {"findings", "sorted by artifact, severity, code and place", list(finding())},
      optional("suppressions", "in the order in which they were given", list(suppression())),
      optional("baseline", "", baseline()),
      {"rules", "that ran", list(rule())},
      optional("series", "of `torchvet drift`",
               object({{"order", "how the checkpoints were ordered", text()},
                       {"intervals", "between neighbours", list(interval())},
                       {"tensors", "of the model", list(track())}})),
      optional("diff", "of `torchvet diff`", diff()),
  });
  return kShape;
}

std::vector<std::string> shape_faults(Json value, const Shape& shape) {
  Checker checker;
  checker.check(value, shape, "");
  return std::move(checker.faults);
}

}  // namespace torchvet
