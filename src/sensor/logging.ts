import type { Config } from '../config/index.ts';
import { configureLog, type LogLevel } from '../log.ts';

/** Makes this thread's log follow the configuration. */
export async function applyLogging(config: Config, verbose: boolean): Promise<void> {
  const level = config.log_level.toLowerCase();
  configureLog({
    level: verbose ? 'debug' : level === 'informational' ? 'info' : (level as LogLevel),
    stderr: config.log_stderr,
    iso8601: config.time_format_iso_8601,
    syslog: config.log_syslog ? await syslogSink(config) : null,
  });
}

/** Messages to syslog are sent and forgotten: a log must neither wait nor complain about itself. */
async function syslogSink({ windhover }: Config): Promise<(severity: number, message: string) => void> {
  const { syslogLine, syslogSender } = await import('../outputs/syslog.ts');
  const sender = syslogSender(windhover.syslog.address);
  return (severity, message) => {
    sender.send(syslogLine(severity, windhover.syslog.ident, message, new Date())).catch(() => {});
  };
}
