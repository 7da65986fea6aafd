// Where messages of the library go.
using System;

namespace PyEngine {

/// <summary>How much a message matters.</summary>
public enum LogLevel { Error, Warning, Info, Debug }

/// <summary>Messages of the whole process; the library prints nothing.</summary>
public static class Log {
  private static readonly object change = new object();
  private static Native.pye_log current;  // kept alive as long as C may call it

  /// <summary>Where messages of at least this weight go, on whichever thread they arise; null:
  /// nowhere. What `log` throws is lost. Must not be called from within it.</summary>
  public static void Set(Action<LogLevel, string> log, LogLevel level = LogLevel.Info) {
    Native.pye_log next = null;
    if (log != null)
      next = (user, of, message) => {
        try {
          log((LogLevel)of, Text.From(message));
        } catch (Exception) {  // none may pass through C
        }
      };
    lock (change) {
      PyEngineException.Check(Native.pye_set_log(next, IntPtr.Zero, (int)level));
      GC.KeepAlive(current);  // until here: the one before has ended
      current = next;
    }
  }
}
}
