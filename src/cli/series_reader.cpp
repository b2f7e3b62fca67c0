#include "cli/series_reader.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "cli/scan.h"
#include "core/digest.h"
#include "engine/suppress.h"
#include "formats/read.h"
#include "values/compare.h"
#include "values/values.h"

namespace torchvet {
std::unique_ptr<Opened> SeriesReader::open(const Input& input, ReportedArtifact& reported) const {
  reported = ReportedArtifact();
  reported.path = input.shown;
  reported.id = input.id;
  if (deadline_.over(reported.gaps, "file")) return nullptr;
  try {
    Result<std::shared_ptr<Source>> source = open_input(input);
    if (!source) {
      reported.read_error = source.error().detail;
      return nullptr;
    }
    auto opened = std::make_unique<Opened>();
    opened->artifact = read_artifact(*source, {settings_.limits, /*graphs=*/false});
    opened->artifact.source.path = input.shown;
    if (asks_for_sha256(settings_.policy, input.id)) {
      opened->artifact.source.sha256 = sha256_hex((*source)->bytes().text());
    }
    opened->source = std::move(*source);
    return opened;
  } catch (const std::exception& error) {
    reported.gaps.push_back(gap_of(error));
    return nullptr;
  }
}

SeriesPlace SeriesReader::place(Opened& opened) const {
  compute_values(opened.artifact, place_plan(opened.artifact), settings_.limits);
  return place_of(opened.artifact);
}

void SeriesReader::add(Opened& opened, Opened* last, std::optional<double> step,
                       SeriesBuilder& builder) const {
  Artifact& artifact = opened.artifact;
  Changes changes;
  if (!deadline_.over(artifact.gaps, "values")) {
    if (last) {
      changes = compare_values(last->artifact, artifact, builder.pairs(artifact), settings_.limits);
    }
    compute_values(artifact, series_plan(artifact, changes), settings_.limits);
  }
  builder.add(artifact, step, changes);
  ValuePlan replaced;
  for (const ReplacedTensor& one : builder.replaced()) {
    replaced.items.push_back({one.tensor, kFingerprint});
  }
  if (!replaced.items.empty()) {
    compute_values(artifact, replaced, settings_.limits);
    for (const ReplacedTensor& one : builder.replaced()) {
      const std::optional<ValueFacts>& values = artifact.tensors[one.tensor].values;
      const bool drawn =
          values && values->fingerprint && values->fingerprint->kind != InitFingerprint::kNone;
      if (drawn) builder.set_drawn(one);
    }
  }
  if (opened.source->changed_while_read()) artifact.add_gap("file", "it changed while it was read");
}

}  // namespace torchvet
