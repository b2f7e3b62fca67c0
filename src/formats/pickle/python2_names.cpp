#include "formats/pickle/python2_names.h"

#include <algorithm>
#include <array>

namespace torchvet {
namespace {

struct ModuleRename {
  std::string_view old_module;
  std::string_view module;
};

struct NameRename {
  std::string_view old_module;
  std::string_view old_name;
  std::string_view module;
  std::string_view name;
};

// Both sorted by their old spelling.
// clang-format off
constexpr std::array kModules = {
    ModuleRename{"BaseHTTPServer", "http.server"},
    ModuleRename{"CGIHTTPServer", "http.server"},
    ModuleRename{"ConfigParser", "configparser"},
    ModuleRename{"Cookie", "http.cookies"},
    ModuleRename{"Dialog", "tkinter.dialog"},
    ModuleRename{"DocXMLRPCServer", "xmlrpc.server"},
    ModuleRename{"FileDialog", "tkinter.filedialog"},
    ModuleRename{"HTMLParser", "html.parser"},
    ModuleRename{"Queue", "queue"},
    ModuleRename{"ScrolledText", "tkinter.scrolledtext"},
    ModuleRename{"SimpleDialog", "tkinter.simpledialog"},
    ModuleRename{"SimpleHTTPServer", "http.server"},
    ModuleRename{"SimpleXMLRPCServer", "xmlrpc.server"},
    ModuleRename{"SocketServer", "socketserver"},
    ModuleRename{"StringIO", "io"},
    ModuleRename{"Tix", "tkinter.tix"},
    ModuleRename{"Tkconstants", "tkinter.constants"},
    ModuleRename{"Tkdnd", "tkinter.dnd"},
    ModuleRename{"Tkinter", "tkinter"},
    ModuleRename{"UserDict", "collections"},
    ModuleRename{"UserList", "collections"},
    ModuleRename{"UserString", "collections"},
    ModuleRename{"__builtin__", "builtins"},
    ModuleRename{"_abcoll", "collections.abc"},
    ModuleRename{"_elementtree", "xml.etree.ElementTree"},
    ModuleRename{"_winreg", "winreg"},
    ModuleRename{"anydbm", "dbm"},
    ModuleRename{"cPickle", "pickle"},
    ModuleRename{"cStringIO", "io"},
    ModuleRename{"commands", "subprocess"},
    ModuleRename{"cookielib", "http.cookiejar"},
    ModuleRename{"copy_reg", "copyreg"},
    ModuleRename{"dbhash", "dbm.bsd"},
    ModuleRename{"dbm", "dbm.ndbm"},
    ModuleRename{"dumbdbm", "dbm.dumb"},
    ModuleRename{"dummy_thread", "_dummy_thread"},
    ModuleRename{"gdbm", "dbm.gnu"},
    ModuleRename{"htmlentitydefs", "html.entities"},
    ModuleRename{"httplib", "http.client"},
    ModuleRename{"markupbase", "_markupbase"},
    ModuleRename{"repr", "reprlib"},
    ModuleRename{"robotparser", "urllib.robotparser"},
    ModuleRename{"test.test_support", "test.support"},
    ModuleRename{"thread", "_thread"},
    ModuleRename{"tkColorChooser", "tkinter.colorchooser"},
    ModuleRename{"tkCommonDialog", "tkinter.commondialog"},
    ModuleRename{"tkFileDialog", "tkinter.filedialog"},
    ModuleRename{"tkFont", "tkinter.font"},
    ModuleRename{"tkMessageBox", "tkinter.messagebox"},
    ModuleRename{"tkSimpleDialog", "tkinter.simpledialog"},
    ModuleRename{"ttk", "tkinter.ttk"},
    ModuleRename{"urllib2", "urllib.request"},
    ModuleRename{"urlparse", "urllib.parse"},
    ModuleRename{"whichdb", "dbm"},
    ModuleRename{"xmlrpclib", "xmlrpc.client"},
};

constexpr std::array kNames = {
    NameRename{"UserDict", "IterableUserDict", "collections", "UserDict"},
    NameRename{"UserDict", "UserDict", "collections", "UserDict"},
    NameRename{"UserList", "UserList", "collections", "UserList"},
    NameRename{"UserString", "UserString", "collections", "UserString"},
    NameRename{"__builtin__", "basestring", "builtins", "str"},
    NameRename{"__builtin__", "intern", "sys", "intern"},
    NameRename{"__builtin__", "long", "builtins", "int"},
    NameRename{"__builtin__", "reduce", "functools", "reduce"},
    NameRename{"__builtin__", "unichr", "builtins", "chr"},
    NameRename{"__builtin__", "unicode", "builtins", "str"},
    NameRename{"__builtin__", "xrange", "builtins", "range"},
    NameRename{"_multiprocessing", "Connection", "multiprocessing.connection", "Connection"},
    NameRename{"_socket", "fromfd", "socket", "fromfd"},
    NameRename{"exceptions", "ArithmeticError", "builtins", "ArithmeticError"},
    NameRename{"exceptions", "AssertionError", "builtins", "AssertionError"},
    NameRename{"exceptions", "AttributeError", "builtins", "AttributeError"},
    NameRename{"exceptions", "BaseException", "builtins", "BaseException"},
    NameRename{"exceptions", "BufferError", "builtins", "BufferError"},
    NameRename{"exceptions", "BytesWarning", "builtins", "BytesWarning"},
    NameRename{"exceptions", "DeprecationWarning", "builtins", "DeprecationWarning"},
    NameRename{"exceptions", "EOFError", "builtins", "EOFError"},
    NameRename{"exceptions", "EnvironmentError", "builtins", "EnvironmentError"},
    NameRename{"exceptions", "Exception", "builtins", "Exception"},
    NameRename{"exceptions", "FloatingPointError", "builtins", "FloatingPointError"},
    NameRename{"exceptions", "FutureWarning", "builtins", "FutureWarning"},
    NameRename{"exceptions", "GeneratorExit", "builtins", "GeneratorExit"},
    NameRename{"exceptions", "IOError", "builtins", "IOError"},
    NameRename{"exceptions", "ImportError", "builtins", "ImportError"},
    NameRename{"exceptions", "ImportWarning", "builtins", "ImportWarning"},
    NameRename{"exceptions", "IndentationError", "builtins", "IndentationError"},
    NameRename{"exceptions", "IndexError", "builtins", "IndexError"},
    NameRename{"exceptions", "KeyError", "builtins", "KeyError"},
    NameRename{"exceptions", "KeyboardInterrupt", "builtins", "KeyboardInterrupt"},
    NameRename{"exceptions", "LookupError", "builtins", "LookupError"},
    NameRename{"exceptions", "MemoryError", "builtins", "MemoryError"},
    NameRename{"exceptions", "NameError", "builtins", "NameError"},
    NameRename{"exceptions", "NotImplementedError", "builtins", "NotImplementedError"},
    NameRename{"exceptions", "OSError", "builtins", "OSError"},
    NameRename{"exceptions", "OverflowError", "builtins", "OverflowError"},
    NameRename{"exceptions", "PendingDeprecationWarning", "builtins", "PendingDeprecationWarning"},
    NameRename{"exceptions", "ReferenceError", "builtins", "ReferenceError"},
    NameRename{"exceptions", "RuntimeError", "builtins", "RuntimeError"},
    NameRename{"exceptions", "RuntimeWarning", "builtins", "RuntimeWarning"},
    NameRename{"exceptions", "StandardError", "builtins", "Exception"},
    NameRename{"exceptions", "StopIteration", "builtins", "StopIteration"},
    NameRename{"exceptions", "SyntaxError", "builtins", "SyntaxError"},
    NameRename{"exceptions", "SyntaxWarning", "builtins", "SyntaxWarning"},
    NameRename{"exceptions", "SystemError", "builtins", "SystemError"},
    NameRename{"exceptions", "SystemExit", "builtins", "SystemExit"},
    NameRename{"exceptions", "TabError", "builtins", "TabError"},
    NameRename{"exceptions", "TypeError", "builtins", "TypeError"},
    NameRename{"exceptions", "UnboundLocalError", "builtins", "UnboundLocalError"},
    NameRename{"exceptions", "UnicodeDecodeError", "builtins", "UnicodeDecodeError"},
    NameRename{"exceptions", "UnicodeEncodeError", "builtins", "UnicodeEncodeError"},
    NameRename{"exceptions", "UnicodeError", "builtins", "UnicodeError"},
    NameRename{"exceptions", "UnicodeTranslateError", "builtins", "UnicodeTranslateError"},
    NameRename{"exceptions", "UnicodeWarning", "builtins", "UnicodeWarning"},
    NameRename{"exceptions", "UserWarning", "builtins", "UserWarning"},
    NameRename{"exceptions", "ValueError", "builtins", "ValueError"},
    NameRename{"exceptions", "Warning", "builtins", "Warning"},
    NameRename{"exceptions", "ZeroDivisionError", "builtins", "ZeroDivisionError"},
    NameRename{"itertools", "ifilter", "builtins", "filter"},
    NameRename{"itertools", "ifilterfalse", "itertools", "filterfalse"},
    NameRename{"itertools", "imap", "builtins", "map"},
    NameRename{"itertools", "izip", "builtins", "zip"},
    NameRename{"itertools", "izip_longest", "itertools", "zip_longest"},
    NameRename{"multiprocessing", "AuthenticationError", "multiprocessing.context", "AuthenticationError"},
    NameRename{"multiprocessing", "BufferTooShort", "multiprocessing.context", "BufferTooShort"},
    NameRename{"multiprocessing", "ProcessError", "multiprocessing.context", "ProcessError"},
    NameRename{"multiprocessing", "TimeoutError", "multiprocessing.context", "TimeoutError"},
    NameRename{"multiprocessing.forking", "Popen", "multiprocessing.popen_fork", "Popen"},
    NameRename{"multiprocessing.process", "Process", "multiprocessing.context", "Process"},
    NameRename{"socket", "_socketobject", "socket", "SocketType"},
    NameRename{"urllib", "ContentTooShortError", "urllib.error", "ContentTooShortError"},
    NameRename{"urllib", "getproxies", "urllib.request", "getproxies"},
    NameRename{"urllib", "pathname2url", "urllib.request", "pathname2url"},
    NameRename{"urllib", "quote", "urllib.parse", "quote"},
    NameRename{"urllib", "quote_plus", "urllib.parse", "quote_plus"},
    NameRename{"urllib", "unquote", "urllib.parse", "unquote"},
    NameRename{"urllib", "unquote_plus", "urllib.parse", "unquote_plus"},
    NameRename{"urllib", "url2pathname", "urllib.request", "url2pathname"},
    NameRename{"urllib", "urlcleanup", "urllib.request", "urlcleanup"},
    NameRename{"urllib", "urlencode", "urllib.parse", "urlencode"},
    NameRename{"urllib", "urlopen", "urllib.request", "urlopen"},
    NameRename{"urllib", "urlretrieve", "urllib.request", "urlretrieve"},
    NameRename{"urllib2", "HTTPError", "urllib.error", "HTTPError"},
    NameRename{"urllib2", "URLError", "urllib.error", "URLError"},
    NameRename{"whichdb", "whichdb", "dbm", "whichdb"},
};
// clang-format on

}  // namespace

PythonName from_python2(std::string_view module, std::string_view name) {
  const auto renamed = std::lower_bound(
      kNames.begin(), kNames.end(), std::pair(module, name),
      [](const NameRename& a, const auto& b) { return std::pair(a.old_module, a.old_name) < b; });
  if (renamed != kNames.end() && renamed->old_module == module && renamed->old_name == name) {
    return {renamed->module, renamed->name};
  }
  const auto moved =
      std::lower_bound(kModules.begin(), kModules.end(), module,
                       [](const ModuleRename& a, std::string_view b) { return a.old_module < b; });
  if (moved != kModules.end() && moved->old_module == module) return {moved->module, name};
  return {module, name};
}

}  // namespace torchvet
