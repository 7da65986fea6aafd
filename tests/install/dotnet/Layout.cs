// Prints a C program that compiles only if every struct of the C# declarations lies as C's does, and
// every enumerator has C's number.
using System;
using System.Reflection;
using System.Runtime.InteropServices;
using PyEngine;

internal static class Layout {
  private static void Assert(string condition) {
    Console.WriteLine("_Static_assert({0}, \"{0}\");", condition);
  }

  private static void Same(Enum value, string name) {
    Assert(name + " == " + Convert.ToInt32(value));
  }

  internal static void Print() {
    Console.WriteLine("#include <stddef.h>\n#include \"pyengine/c_api.h\"");
    foreach (Type type in typeof(Native).GetNestedTypes(BindingFlags.NonPublic)) {
      if (!type.IsValueType) continue;
      Assert("sizeof(" + type.Name + ") == " + Marshal.SizeOf(type));
      foreach (FieldInfo field in type.GetFields())
        Assert("offsetof(" + type.Name + ", " + field.Name +
               ") == " + Marshal.OffsetOf(type, field.Name));
    }
    Same(Status.InvalidArgument, "PYE_INVALID_ARGUMENT");
    Same(Status.BadEngineFile, "PYE_BAD_ENGINE_FILE");
    Same(Status.Unsupported, "PYE_UNSUPPORTED");
    Same(Status.IO, "PYE_IO");
    Same(Status.OutOfMemory, "PYE_OUT_OF_MEMORY");
    Same(Status.Cancelled, "PYE_CANCELLED");
    Same(Status.Internal, "PYE_INTERNAL");
    Same(Status.Busy, "PYE_BUSY");
    Same(Status.Timeout, "PYE_TIMEOUT");
    Same(Status.NotFinite, "PYE_NOT_FINITE");
    Same(Output.Labels, "PYE_LABELS");
    Same(Output.Probabilities, "PYE_PROBABILITIES");
    Same(Output.Logits, "PYE_LOGITS");
    Same(Mode.Constant, "PYE_CONSTANT");
    Same(Mode.Gaussian, "PYE_GAUSSIAN");
    Same(Mode.NnUnet, "PYE_NNUNET");
    Same(Padding.Replicate, "PYE_PADDING_REPLICATE");
    Same(Padding.Constant, "PYE_PADDING_CONSTANT");
    Same(Augmentation.Flips, "PYE_AUGMENT_FLIPS");
    Same(Augmentation.D4, "PYE_AUGMENT_D4");
    Same(Augmentation.Mirror, "PYE_AUGMENT_MIRROR");
    Same(Accuracy.Fast, "PYE_ACCURACY_FAST");
    Same(Accuracy.Reproducible, "PYE_ACCURACY_REPRODUCIBLE");
    Same(OnMismatch.Rebuild, "PYE_REBUILD");
    Same(OnMismatch.Cpu, "PYE_CPU");
    Same(ThreadPolicy.Fifo, "PYE_THREAD_FIFO");
    Same(ThreadPolicy.RoundRobin, "PYE_THREAD_ROUND_ROBIN");
    Same(LogLevel.Warning, "PYE_LOG_WARNING");
    Same(LogLevel.Debug, "PYE_LOG_DEBUG");
    Same(Policy.Newest, "PYE_POLICY_NEWEST");
    Same(Policy.All, "PYE_POLICY_ALL");
    Same(Policy.Reject, "PYE_POLICY_REJECT");
    Same(FrameStatus.Done, "PYE_FRAME_DONE");
    Same(FrameStatus.Late, "PYE_FRAME_LATE");
    Same(FrameStatus.Replaced, "PYE_FRAME_REPLACED");
    Same(FrameStatus.Expired, "PYE_FRAME_EXPIRED");
    Same(FrameStatus.Cancelled, "PYE_FRAME_CANCELLED");
    Same(FrameStatus.Failed, "PYE_FRAME_FAILED");
    Same(Ending.Drain, "PYE_DRAIN");
    Same(Ending.Discard, "PYE_DISCARD");
    foreach (var type in new[] { "UINT8", "UINT16", "FLOAT32", "INT8", "INT16", "UINT32", "INT32", "FLOAT64" })
      Assert("PYE_" + type + " == " + Images.TypeOf(Managed(type)));
  }

  private static Type Managed(string type) {
    switch (type) {
      case "UINT8": return typeof(byte);
      case "UINT16": return typeof(ushort);
      case "FLOAT32": return typeof(float);
      case "INT8": return typeof(sbyte);
      case "INT16": return typeof(short);
      case "UINT32": return typeof(uint);
      case "INT32": return typeof(int);
      default: return typeof(double);
    }
  }
}
