import type { AttackMatrix } from '../api.ts';

/**
 * MITRE ATT&CK (Enterprise, v16): the tactics in order, and the techniques that concern Linux hosts, containers
 * and Kubernetes. Rules name them by tags, `mitre_<tactic>` and `T<number>`.
 */
const TACTICS: readonly (readonly [id: string, name: string, tag: string])[] = [
  ['TA0043', 'Reconnaissance', 'mitre_reconnaissance'],
  ['TA0042', 'Resource Development', 'mitre_resource_development'],
  ['TA0001', 'Initial Access', 'mitre_initial_access'],
  ['TA0002', 'Execution', 'mitre_execution'],
  ['TA0003', 'Persistence', 'mitre_persistence'],
  ['TA0004', 'Privilege Escalation', 'mitre_privilege_escalation'],
  ['TA0005', 'Defense Evasion', 'mitre_defense_evasion'],
  ['TA0006', 'Credential Access', 'mitre_credential_access'],
  ['TA0007', 'Discovery', 'mitre_discovery'],
  ['TA0008', 'Lateral Movement', 'mitre_lateral_movement'],
  ['TA0009', 'Collection', 'mitre_collection'],
  ['TA0011', 'Command and Control', 'mitre_command_and_control'],
  ['TA0010', 'Exfiltration', 'mitre_exfiltration'],
  ['TA0040', 'Impact', 'mitre_impact'],
];

/** Technique, its name, and the positions of its tactics in the list above (from 1). */
const TECHNIQUES: readonly (readonly [id: string, name: string, tactics: readonly number[]])[] = [
  ['T1595', 'Active Scanning', [1]],
  ['T1190', 'Exploit Public-Facing Application', [3]],
  ['T1133', 'External Remote Services', [3, 5]],
  ['T1195', 'Supply Chain Compromise', [3]],
  ['T1199', 'Trusted Relationship', [3]],
  ['T1078', 'Valid Accounts', [3, 5, 6, 7]],
  ['T1059', 'Command and Scripting Interpreter', [4]],
  ['T1609', 'Container Administration Command', [4]],
  ['T1610', 'Deploy Container', [4, 7]],
  ['T1203', 'Exploitation for Client Execution', [4]],
  ['T1106', 'Native API', [4]],
  ['T1053', 'Scheduled Task/Job', [4, 5, 6]],
  ['T1129', 'Shared Modules', [4]],
  ['T1072', 'Software Deployment Tools', [4, 10]],
  ['T1569', 'System Services', [4]],
  ['T1204', 'User Execution', [4]],
  ['T1098', 'Account Manipulation', [5, 6]],
  ['T1037', 'Boot or Logon Initialization Scripts', [5, 6]],
  ['T1547', 'Boot or Logon Autostart Execution', [5, 6]],
  ['T1554', 'Compromise Host Software Binary', [5]],
  ['T1136', 'Create Account', [5]],
  ['T1543', 'Create or Modify System Process', [5, 6]],
  ['T1546', 'Event Triggered Execution', [5, 6]],
  ['T1525', 'Implant Internal Image', [5]],
  ['T1556', 'Modify Authentication Process', [5, 7, 8]],
  ['T1505', 'Server Software Component', [5]],
  ['T1205', 'Traffic Signaling', [5, 7, 12]],
  ['T1548', 'Abuse Elevation Control Mechanism', [6, 7]],
  ['T1611', 'Escape to Host', [6]],
  ['T1068', 'Exploitation for Privilege Escalation', [6]],
  ['T1055', 'Process Injection', [6, 7]],
  ['T1612', 'Build Image on Host', [7]],
  ['T1622', 'Debugger Evasion', [7, 9]],
  ['T1140', 'Deobfuscate/Decode Files or Information', [7]],
  ['T1222', 'File and Directory Permissions Modification', [7]],
  ['T1564', 'Hide Artifacts', [7]],
  ['T1574', 'Hijack Execution Flow', [5, 6, 7]],
  ['T1562', 'Impair Defenses', [7]],
  ['T1578', 'Modify Cloud Compute Infrastructure', [7]],
  ['T1070', 'Indicator Removal', [7]],
  ['T1036', 'Masquerading', [7]],
  ['T1027', 'Obfuscated Files or Information', [7]],
  ['T1620', 'Reflective Code Loading', [7]],
  ['T1014', 'Rootkit', [7]],
  ['T1553', 'Subvert Trust Controls', [7]],
  ['T1218', 'System Binary Proxy Execution', [7]],
  ['T1497', 'Virtualization/Sandbox Evasion', [7, 9]],
  ['T1110', 'Brute Force', [8]],
  ['T1557', 'Adversary-in-the-Middle', [8, 11]],
  ['T1555', 'Credentials from Password Stores', [8]],
  ['T1212', 'Exploitation for Credential Access', [8]],
  ['T1056', 'Input Capture', [8, 11]],
  ['T1040', 'Network Sniffing', [8, 9]],
  ['T1003', 'OS Credential Dumping', [8]],
  ['T1528', 'Steal Application Access Token', [8]],
  ['T1552', 'Unsecured Credentials', [8]],
  ['T1087', 'Account Discovery', [9]],
  ['T1613', 'Container and Resource Discovery', [9]],
  ['T1083', 'File and Directory Discovery', [9]],
  ['T1046', 'Network Service Discovery', [9]],
  ['T1069', 'Permission Groups Discovery', [9]],
  ['T1057', 'Process Discovery', [9]],
  ['T1018', 'Remote System Discovery', [9]],
  ['T1082', 'System Information Discovery', [9]],
  ['T1016', 'System Network Configuration Discovery', [9]],
  ['T1033', 'System Owner/User Discovery', [9]],
  ['T1210', 'Exploitation of Remote Services', [10]],
  ['T1570', 'Lateral Tool Transfer', [10]],
  ['T1021', 'Remote Services', [10]],
  ['T1550', 'Use Alternate Authentication Material', [7, 10]],
  ['T1560', 'Archive Collected Data', [11]],
  ['T1005', 'Data from Local System', [11]],
  ['T1074', 'Data Staged', [11]],
  ['T1071', 'Application Layer Protocol', [12]],
  ['T1132', 'Data Encoding', [12]],
  ['T1568', 'Dynamic Resolution', [12]],
  ['T1105', 'Ingress Tool Transfer', [12]],
  ['T1095', 'Non-Application Layer Protocol', [12]],
  ['T1571', 'Non-Standard Port', [12]],
  ['T1572', 'Protocol Tunneling', [12]],
  ['T1090', 'Proxy', [12]],
  ['T1219', 'Remote Access Software', [12]],
  ['T1048', 'Exfiltration Over Alternative Protocol', [13]],
  ['T1041', 'Exfiltration Over C2 Channel', [13]],
  ['T1020', 'Automated Exfiltration', [13]],
  ['T1567', 'Exfiltration Over Web Service', [13]],
  ['T1485', 'Data Destruction', [14]],
  ['T1486', 'Data Encrypted for Impact', [14]],
  ['T1565', 'Data Manipulation', [14]],
  ['T1561', 'Disk Wipe', [14]],
  ['T1499', 'Endpoint Denial of Service', [14]],
  ['T1498', 'Network Denial of Service', [14]],
  ['T1496', 'Resource Hijacking', [14]],
  ['T1489', 'Service Stop', [14]],
];

const NAME_BY_TAG = new Map(TACTICS.map(([, name, tag]) => [tag, name]));

/** The tactic that a tag names, or null. */
export function tacticOf(tag: string): string | null {
  return NAME_BY_TAG.get(tag.toLowerCase()) ?? null;
}

/** The technique that a tag names (a sub-technique counts for its technique), or null. */
export function techniqueOf(tag: string): string | null {
  return /^(T\d{4})(\.\d{3})?$/.exec(tag)?.[1] ?? null;
}

/** Tactics × techniques: what the given rules cover, and what fired. */
export function attackMatrix(
  rules: readonly { name: string; tags: readonly string[] }[],
  fired: ReadonlyMap<string, number>,
): AttackMatrix {
  const columns = TACTICS.map(([id, name, tag]) => ({
    id,
    name,
    tag,
    cells: new Map<string, { name: string; rules: string[]; fired: number }>(),
  }));
  for (const [id, name, tactics] of TECHNIQUES) {
    for (const at of tactics) columns[at - 1]?.cells.set(id, { name, rules: [], fired: 0 });
  }
  const names = new Map(TECHNIQUES.map(([id, name]) => [id, name]));
  const homes = new Map(TECHNIQUES.map(([id, , tactics]) => [id, tactics]));
  let untagged = 0;
  for (const rule of rules) {
    const n = fired.get(rule.name) ?? 0;
    const techniques = new Set(rule.tags.flatMap((tag) => techniqueOf(tag) ?? []));
    if (techniques.size === 0) untagged += n;
    const said = columns.filter((column) => rule.tags.includes(column.tag));
    for (const technique of techniques) {
      // Where the rule names tactics that have the technique, it stands there; else wherever the technique does. One
      // that is not in the table stands where the rule says.
      const home = columns.filter((_column, at) => homes.get(technique)?.includes(at + 1));
      const both = said.filter((column) => home.includes(column));
      for (const column of both.length > 0 ? both : home.length > 0 ? home : said) {
        let cell = column.cells.get(technique);
        if (cell === undefined) {
          cell = { name: names.get(technique) ?? technique, rules: [], fired: 0 };
          column.cells.set(technique, cell);
        }
        cell.rules.push(rule.name);
        cell.fired += n;
      }
    }
  }
  return {
    tactics: columns
      .filter((column) => column.cells.size > 0)
      .map(({ id, name, cells }) => ({
        id,
        name,
        techniques: [...cells].map(([technique, cell]) => ({ id: technique, ...cell })),
      })),
    untagged,
  };
}
