import type { Permission, Topology, TopicPermission } from '@writ/messaging';

export interface Plan {
  vhosts: string[];
  users: { name: string; password: string }[];
  permissions: Permission[];
  topics: TopicPermission[];
  topologies: [vhost: string, topology: Topology][];
}

export function brokerPlan(facts: { passwords(name: string): string; upstreams: string[]; gateways: string[]; identitySystems: string[] }): Plan;
export function provisionBroker(managementUrl: string, plan: Plan): Promise<{ guestStays: boolean }>;
export function brokerCommands(plan: Plan): string[];
