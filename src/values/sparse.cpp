#include "values/sparse.h"

#include <algorithm>

namespace torchvet {
std::optional<TensorId> values_of_sparse(const Artifact& artifact, const Tensor& tensor) {
  if (tensor.layout != Layout::kSparse || tensor.uncoalesced) return std::nullopt;
  for (const auto& [name, object] : tensor.parts) {
    const auto* reference = artifact.objects.as<Object::TensorRef>(object);
    if (name != ".values" || !reference) continue;
    const Tensor& values = artifact.tensors[reference->tensor];
    const bool readable = values.layout == Layout::kStrided && values.storage &&
                          *values.storage < artifact.storages.size();
    if (readable) return reference->tensor;
  }
  return std::nullopt;
}

std::optional<ValueFacts> sparse_facts(const Tensor& tensor, const Tensor& values,
                                       Quantities wanted) {
  const std::optional<std::uint64_t> count = tensor.element_count();
  if (!count || !values.values || values.values->count > *count) return std::nullopt;
  const ValueFacts& named = *values.values;
  ValueFacts facts = named;
  facts.computed = named.computed & wanted;
  facts.count = *count;
  facts.digest.reset();
  facts.fingerprint.reset();
  facts.histogram.clear();
  facts.rows = facts.zero_rows = 0;
  facts.distinct_rows.reset();
  facts.all_rows_equal = false;
  if (*count == named.count) return facts;
  // A complex element is two numbers: the values tell how many an element has.
  const std::uint64_t numbers_each = named.count == 0 ? 1 : named.numbers / named.count;
  const std::uint64_t zeros = (*count - named.count) * numbers_each;
  const bool finite = named.numbers > named.nan + named.positive_infinity + named.negative_infinity;
  facts.numbers += zeros;
  facts.zero += zeros;
  facts.min = finite ? std::min(named.min, 0.0) : 0;
  facts.max = finite ? std::max(named.max, 0.0) : 0;
  facts.all_equal = facts.zero == facts.numbers;
  facts.first = 0;
  return facts;
}

}  // namespace torchvet
