export const images: Record<'postgres' | 'rabbitmq' | 'redis', string>;
