// dump_values FILE THREADS: prints, as one line of JSON for each tensor of a file, everything that
// can be computed of its values. Floating-point numbers are written in hexadecimal, so that nothing
// is lost. Used by values.py.
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "core/escape.h"
#include "formats/read.h"
#include "io/source.h"
#include "values/values.h"

using namespace torchvet;
using Json = nlohmann::json;

namespace {

std::string hex(double number) {
  char text[64];
  std::snprintf(text, sizeof(text), "%a", number);
  return text;
}

Json dump(const Tensor& tensor) {
  Json line = {{"path", to_utf8(tensor.object_path)}};
  if (!tensor.values) return line;
  const ValueFacts& facts = *tensor.values;
  line["computed"] = facts.computed;
  line["count"] = facts.count;
  if (facts.digest) line["digest"] = to_hex(*facts.digest);
  line["numbers"] = facts.numbers;
  line["nan"] = facts.nan;
  line["positive_infinity"] = facts.positive_infinity;
  line["negative_infinity"] = facts.negative_infinity;
  line["zero"] = facts.zero;
  line["subnormal"] = facts.subnormal;
  line["min"] = hex(facts.min);
  line["max"] = hex(facts.max);
  line["all_equal"] = facts.all_equal;
  line["first"] = hex(facts.first);
  line["sum"] = hex(facts.sum);
  line["sum_of_squares"] = hex(facts.sum_of_squares);
  line["histogram"] = Json::array();
  for (const HistogramBucket& bucket : facts.histogram) {
    line["histogram"].push_back({hex(bucket.low), hex(bucket.high), bucket.count});
  }
  line["p99"] = hex(magnitude_quantile(facts.histogram, 0.99));
  line["rows"] = facts.rows;
  line["zero_rows"] = facts.zero_rows;
  line["all_rows_equal"] = facts.all_rows_equal;
  if (facts.distinct_rows) line["distinct_rows"] = *facts.distinct_rows;
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const Result<std::shared_ptr<Source>> source = Source::open(argv[1]);
  if (!source) return 2;
  Artifact artifact = read_artifact(*source, {});
  ValuePlan plan;
  for (TensorId id = 0; id < artifact.tensors.size(); ++id) {
    plan.items.push_back({id, kDigest | kMoments | kSums | kHistogram | kRows | kFingerprint});
  }
  compute_values(artifact, plan, {}, static_cast<unsigned>(std::atoi(argv[2])));
  for (const Tensor& tensor : artifact.tensors) std::puts(dump(tensor).dump().c_str());
  for (const Gap& gap : artifact.gaps) {
    std::fprintf(stderr, "%s: %s\n", gap.what.c_str(), gap.why.c_str());
  }
  return 0;
}
