#include "model/pickle_effects.h"

#include <array>
#include <set>
#include <string_view>
#include <utility>

namespace torchvet {
namespace {

/// More steps of getattr(getattr(...)) than this are followed by nobody but an attacker.
constexpr int kMaxAttributeSteps = 16;

struct Callee {
  std::string module;
  std::string name;        ///< with attributes that getattr takes: "Outer.Inner"
  bool computed = false;   ///< the name itself comes out of a call
  bool from_call = false;  ///< the result of a call that is no getattr
  bool foreign = false;    ///< a persistent object, a tensor: nothing to import
  std::string attribute;   ///< the last one taken by getattr from what is not imported
};

bool is_getattr(const ObjectTree& tree, const Object::Call& call) {
  const Object::Global* global = tree.as<Object::Global>(call.callable);
  return global != nullptr && global->module == "builtins" && global->name == "getattr";
}

/// The imported name that an object stands for, through calls of getattr.
Callee resolve(const ObjectTree& tree, ObjectId id) {
  Callee callee;
  std::vector<std::string_view> attributes;
  for (int step = 0; step < kMaxAttributeSteps; ++step) {
    if (const Object::Global* global = tree.as<Object::Global>(id)) {
      callee.module = global->module;
      callee.name = global->name;
      callee.computed = global->computed;
      for (std::size_t i = attributes.size(); i-- > 0;) {
        callee.name += '.';
        callee.name += attributes[i];
      }
      return callee;
    }
    const Object::Call* call = tree.as<Object::Call>(id);
    if (call == nullptr) {
      callee.foreign = true;
      break;
    }
    const Object::Tuple* arguments = tree.as<Object::Tuple>(call->arguments);
    if (!is_getattr(tree, *call) || arguments == nullptr || arguments->items.size() < 2) {
      callee.from_call = true;
      break;
    }
    const std::optional<std::string_view> attribute = tree.text(arguments->items[1]);
    if (!attribute) {
      callee.from_call = true;
      break;
    }
    attributes.push_back(*attribute);
    id = arguments->items[0];
  }
  if (!attributes.empty()) callee.attribute = attributes.front();
  return callee;
}

std::string_view opcode_of(Object::How how) {
  switch (how) {
    case Object::How::kReduce:
      return "REDUCE";
    case Object::How::kNewObject:
      return "NEWOBJ";
    case Object::How::kNewObjectEx:
      return "NEWOBJ_EX";
    case Object::How::kInstance:
      return "INST";
    case Object::How::kObject:
      return "OBJ";
    case Object::How::kChange:
      return "BUILD or items";
  }
  return "?";
}

std::string joined(const Callee& callee) { return callee.module + "." + callee.name; }

class Collector {
 public:
  Collector(const ObjectTree& tree, const PickleProgram& program, std::size_t limit)
      : tree_(tree), program_(program), limit_(limit) {}

  std::vector<PickleEffect> run() {
    for (const PickleProgram::Call& call : program_.calls) look_at(call);
    for (const PickleProgram::Import& import : program_.imports) look_at(import);
    return std::move(effects_);
  }

 private:
  /// Each kind has a limit of its own, so that no number of doubtful calls hides a dangerous one.
  [[nodiscard]] bool room_for(PickleEffect::Kind kind) const {
    return counts_[static_cast<std::size_t>(kind)] < limit_;
  }
  void add(PickleEffect effect) {
    if (!room_for(effect.kind)) return;
    ++counts_[static_cast<std::size_t>(effect.kind)];
    effects_.push_back(std::move(effect));
  }

  void look_at(const PickleProgram::Call& record) {
    const Object::Call* call = tree_.as<Object::Call>(record.object);
    // What torch's readers understood is a tensor or a number by now, and was torch's own call.
    if (call == nullptr) return;
    if (record.how == Object::How::kChange) {
      if (call->how == Object::How::kChange &&
          tree_.as<Object::Global>(call->callable) != nullptr) {
        const std::string name = tree_.qualified_name(call->callable);
        called_.insert(name);
        add({PickleEffect::Kind::kChangesGlobal, name, tree_.render(record.object),
             "changed by BUILD, SETITEMS or APPENDS", risk_of(resolve(tree_, call->callable)),
             record.where});
      }
      return;
    }
    PickleEffect effect;
    effect.route = "called by " + std::string(opcode_of(record.how));
    effect.where = record.where;
    const bool makes_only =
        record.how == Object::How::kNewObject || record.how == Object::How::kNewObjectEx;

    // getattr itself: what it reaches counts, whether or not it is called then.
    const Callee callee =
        is_getattr(tree_, *call) ? resolve(tree_, record.object) : resolve(tree_, call->callable);
    if (is_interpreter_attribute(callee.attribute)) {
      effect.name = callee.attribute;
      effect.risk = RiskyGlobal{GlobalRisk::kDangerous, "leads from an object to the interpreter"};
    } else if (!callee.module.empty()) {
      effect.name = joined(callee);
      effect.risk = risk_of(callee);
    }
    effect.only_reaches = is_getattr(tree_, *call);
    if (effect.risk || callee.computed) {
      called_.insert(effect.name);
      effect.kind =
          effect.risk ? PickleEffect::Kind::kCallsRisky : PickleEffect::Kind::kComputedName;
    } else if (is_getattr(tree_, *call) || makes_only || callee.foreign) {
      return;
    } else if (callee.from_call) {
      effect.kind = PickleEffect::Kind::kCallsResult;
      effect.name = tree_.qualified_name(call->callable);
    } else if (is_ordinary_callable(callee.module, callee.name)) {
      return;
    }
    if (!room_for(effect.kind)) return;
    effect.shown = tree_.render(record.object);
    add(std::move(effect));
  }

  void look_at(const PickleProgram::Import& import) {
    const std::string name = import.module + "." + import.name;
    if (is_called(name)) return;
    if (import.computed) {
      add({PickleEffect::Kind::kComputedName, name, name, "imported by STACK_GLOBAL", std::nullopt,
           import.where});
      return;
    }
    std::optional<RiskyGlobal> risk = risk_of_global(import.module, import.name);
    if (!risk || !imported_.insert(name).second) return;
    add({PickleEffect::Kind::kImportsRisky, name, name, user_of(name), risk, import.where});
  }

  /// Whether the name, or an attribute taken from it, is called and so reported already.
  [[nodiscard]] bool is_called(const std::string& name) const {
    const auto found = called_.lower_bound(name);
    if (found == called_.end()) return false;
    return *found == name || found->starts_with(name + ".");
  }

  static std::optional<RiskyGlobal> risk_of(const Callee& callee) {
    return risk_of_global(callee.module, callee.name);
  }

  /// The first call that is handed an imported name.
  std::string user_of(const std::string& name) {
    constexpr int kMaxSearches = 16;
    if (++searches_ > kMaxSearches) return {};
    for (const PickleProgram::Call& record : program_.calls) {
      const Object::Call* call = tree_.as<Object::Call>(record.object);
      const std::vector<ObjectId>* arguments =
          call == nullptr ? nullptr : tree_.sequence(call->arguments);
      if (arguments == nullptr) continue;
      for (const ObjectId argument : *arguments) {
        if (tree_.as<Object::Global>(argument) != nullptr &&
            tree_.qualified_name(argument) == name) {
          return "handed to `" + tree_.render(record.object) + "`";
        }
      }
    }
    return "nothing in the pickle calls it by itself";
  }

  const ObjectTree& tree_;
  const PickleProgram& program_;
  std::size_t limit_;
  std::vector<PickleEffect> effects_;
  std::array<std::size_t, 6> counts_{};  ///< by PickleEffect::Kind
  int searches_ = 0;
  std::set<std::string> called_;
  std::set<std::string> imported_;
};

}  // namespace

bool is_dangerous(const PickleEffect& effect) {
  if (effect.risk && effect.risk->risk == GlobalRisk::kHides) return false;
  return effect.kind != PickleEffect::Kind::kCallsUnknown &&
         effect.kind != PickleEffect::Kind::kCallsResult;
}

std::vector<PickleEffect> effects_of(const ObjectTree& tree, const PickleProgram& program,
                                     std::size_t limit) {
  return Collector(tree, program, limit).run();
}

}  // namespace torchvet
